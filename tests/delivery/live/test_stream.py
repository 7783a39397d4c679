"""What a reader of the live stream gets, from the real process."""

import time
from datetime import UTC, datetime

import pytest

from marketplace.delivery.models import Read
from tests.delivery.live.conftest import Subscription
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
