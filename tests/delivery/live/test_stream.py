"""What a reader of the live stream gets, from the real process."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.consents.services import Terms
from marketplace.delivery.models import Read
from marketplace.delivery.services import narrow_and_rebuild
from tests.builders_delivery import day_start, minutes
from tests.delivery.live.conftest import Subscription, subscribe
from tests.delivery.live.process import LiveServer, wait_for


def test_sends_a_reading_within_a_second_of_its_upload(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    started_at = time.monotonic()
    (at,) = subscription.send(21.375)
    wait_for(lambda: stream.rows, "a row")
    assert stream.events[0].at - started_at < 1.0
    (row,) = stream.rows
    assert (row["device"], row["air_temperature"]) == ("device-1", 21.375)
    assert datetime.fromisoformat(row["time"]) == at.astimezone(UTC)


def test_an_event_is_a_cloud_event_and_is_counted(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    assert stream.columns == ["time", "device", "air_temperature"]
    subscription.send(20.5, 21.5, 22.5)
    wait_for(lambda: stream.rows, "rows")
    (event,) = stream.events
    assert event.name == "readings"
    content = event.content
    assert (content["specversion"], content["type"], content["id"]) == ("1.0", "ownstream.readings", event.id)
    assert content["source"].endswith(subscription.path)
    assert content["datacontenttype"] == "application/json"
    read = Read.objects.get()
    assert (read.door, read.row_count, read.token) == (Read.Door.LIVE, 3, subscription.token)


def test_goes_on_from_the_last_event_id(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    subscription.send(1.0)
    wait_for(lambda: stream.rows, "a row")
    stream.close()
    subscription.send(2.0)
    subscription.send(3.0)
    again = subscription.open(server, stream.last_id)
    wait_for(lambda: len(again.rows) == 2, "what came meanwhile")
    assert [row["air_temperature"] for row in again.rows] == [2.0, 3.0]


@pytest.mark.parametrize("place", ["nonsense", "fffffffffffff", "1-2-1", "1000_", "100000003b3_ffffffffff", "-", "é"])
def test_refuses_a_place_that_never_was(server: LiveServer, subscription: Subscription, place: str) -> None:
    headers = {"Authorization": f"Bearer {subscription.text}", "Last-Event-ID": place.encode().decode("latin-1")}
    answer = server.get(subscription.path, headers)
    assert (answer.status, answer.code) == (400, "position_unknown")
    assert not Read.objects.exists()


def test_says_that_it_is_alive_and_where_one_is(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    subscription.send(1.0, name="humidity")
    place = stream.last_id
    wait_for(lambda: stream.beats, "a heartbeat", 20)
    # Nothing was sent that is not under the consent, but the reader need not look at it again.
    assert stream.last_id != place
    assert stream.rows == []


def test_a_narrower_consent_narrows_a_stream_that_runs(server: LiveServer, sara: User, ben: User) -> None:
    yesterday = day_start(timezone.now(), 1)
    both = minutes(yesterday, 5) + minutes(yesterday, 5, "humidity")
    subscription = subscribe(sara, ben, readings=both, fields=["air_temperature", "humidity"])
    stream = subscription.open(server)
    at = timezone.now()
    subscription.sender.send([(at, "air_temperature", 1.5), (at, "humidity", 50.0)], at)
    wait_for(lambda: stream.rows, "a row")
    assert set(stream.rows[0]) == {"time", "device", "air_temperature", "humidity"}
    consent = subscription.listing.consent
    narrow_and_rebuild(consent=consent, terms=replace(Terms.of(consent), fields=["air_temperature"]), at=timezone.now())
    at = timezone.now()
    subscription.sender.send([(at, "air_temperature", 2.5), (at, "humidity", 51.0)], at)
    wait_for(lambda: len(stream.rows) == 2, "another row")
    assert set(stream.rows[1]) == {"time", "device", "air_temperature"}


def test_stops_at_once_when_it_is_asked_to(server: LiveServer, subscription: Subscription) -> None:
    streams = [subscription.open(server) for _ in range(3)]
    started_at = time.monotonic()
    server.child.terminate()
    server.child.wait(20)
    assert time.monotonic() - started_at < 8
    for stream in streams:
        wait_for(stream.has_ended.is_set, "the end")
    server.start()
    subscription.send(4.0)
    again = subscription.open(server, streams[0].last_id)
    wait_for(lambda: again.rows, "what came since")
