"""Listings with averages or a delay: what the stream says over time is the very table that a query gives at the end."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from devices.arrivals import current_horizon
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.delivery.live.positions import Position, read_position
from marketplace.delivery.live.rows import View, newest_position, next_step
from marketplace.delivery.tables.projection import due_until, project_device
from tests.builders_delivery import SigningDevice, day_start, make_stocked_listing

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
TERMS: list[dict[str, Any]] = [
    {"resolution": "raw"},
    {"resolution": "raw", "delay_seconds": 600},
    {"resolution": "1min"},
    {"resolution": "15min", "delay_seconds": 3600},
    {"resolution": "1h"},
]
IDS = ["raw", "raw, late", "1min", "15min, late", "1h"]


class Follower:
    """A reader: a place, and for each time and device the newest row that he was sent. Comes back by text each time."""

    def __init__(self, consent: Consent, at: datetime) -> None:
        self.consent = consent
        self.members = list(consent.consent_devices.select_related("device", "consent"))
        self.place = newest_position(consent, at).text()
        self.view = View(tuple(consent.fields), None, at + timedelta(days=400))
        self.table: dict[tuple[str, str], dict[str, Any]] = {}
        self.row_count = 0

    def read(self, at: datetime) -> None:
        while True:
            step = next_step(self.consent, self.members, read_position(self.place), {self.view}, at)
            for piece in step.pieces.values():
                event = piece.before + b'"a stream"' + piece.after
                rows = orjson.loads(event.partition(b"data: ")[2])["data"]["rows"]
                assert len(rows) == piece.row_count
                self.row_count += len(rows)
                self.table |= {(row["time"], row["device"]): row for row in rows}
            self.place = step.position.text()
            if step.is_whole:
                return


def expected(follower: Follower, since: datetime, at: datetime) -> dict[tuple[str, str], float]:
    (member,) = follower.members
    until = due_until(follower.consent, at) or at + HOUR
    rows, _ = project_device(member, start=since, until=until)
    texts = rows["time"].dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_list()
    return {(time, "device-1"): value for time, value in zip(texts, rows["air_temperature"], strict=True)}


def values(follower: Follower) -> dict[tuple[str, str], float]:
    return {key: row["air_temperature"] for key, row in follower.table.items()}


@pytest.mark.parametrize("terms", TERMS, ids=IDS)
def test_ends_up_with_the_table(sara: User, now: datetime, terms: dict[str, Any]) -> None:
    start = day_start(now) + 10 * HOUR
    sender, listing = make_stocked_listing(sara, start, readings=[(start - HOUR, "air_temperature", 1.0)], **terms)
    follower = Follower(listing.consent, start)
    chance, held = random.Random(7), []
    for minute in range(200):
        at = start + minute * MINUTE
        # Readings of this minute; some come only much later, together.
        readings = [(at + timedelta(seconds=second), "air_temperature", chance.random()) for second in (5, 25, 45)]
        if chance.random() < 0.2:
            held += readings
        else:
            sender.send(readings, at + MINUTE)
        if held and chance.random() < 0.05:
            sender.send(held, at + MINUTE)
            held = []
        if chance.random() < 0.3:
            follower.read(at + MINUTE)
    end = start + 206 * MINUTE
    if held:
        sender.send(held, end)
    follower.read(end)
    follower.read(end)
    assert values(follower) == expected(follower, due_until(listing.consent, start) or start, end)
    if terms["resolution"] == "raw":
        assert follower.row_count == len(follower.table)


def test_nothing_is_said_before_it_is_due(sara: User, now: datetime) -> None:
    start = day_start(now) + 10 * HOUR
    sender, listing = make_stocked_listing(sara, start, resolution="raw", delay_seconds=600)
    follower = Follower(listing.consent, start)
    sender.send([(start + timedelta(seconds=30), "air_temperature", 2.5)], start + MINUTE)
    follower.read(start + 10 * MINUTE)
    assert follower.table == {}
    follower.read(start + 12 * MINUTE)
    assert list(values(follower).values()) == [2.5]


def test_a_late_reading_makes_its_average_anew(sara: User, now: datetime) -> None:
    start = day_start(now) + 10 * HOUR
    sender, listing = make_stocked_listing(sara, start, resolution="1h")
    follower = Follower(listing.consent, start)
    sender.send([(start + MINUTE, "air_temperature", 10.0)], start + 2 * MINUTE)
    follower.read(start + HOUR)
    assert list(values(follower).values()) == [10.0]
    sender.send([(start + 2 * MINUTE, "air_temperature", 20.0)], start + HOUR + MINUTE)
    follower.read(start + HOUR + MINUTE)
    assert (list(values(follower).values()), follower.row_count) == ([15.0], 2)


def test_a_long_absence_is_made_up_in_steps(sara: User, now: datetime) -> None:
    start = day_start(now)
    sender, listing = make_stocked_listing(sara, start, resolution="1h")
    follower = Follower(listing.consent, start)
    for day in range(4):
        begin = start + day * 24 * HOUR
        send_hours(sender, begin)
    end = start + 97 * HOUR
    step = next_step(listing.consent, follower.members, read_position(follower.place), {follower.view}, end)
    assert not step.is_whole
    follower.read(end)
    assert values(follower) == expected(follower, start, end)
    assert len(follower.table) == follower.row_count == 96


def send_hours(sender: SigningDevice, begin: datetime) -> None:
    times = [begin + hour * HOUR + timedelta(minutes=7) for hour in range(24)]
    readings = [(time, "air_temperature", float(number)) for number, time in enumerate(times)]
    sender.send(readings, begin + 24 * HOUR)


def test_a_reader_of_before_the_delay_goes_on_from_now(sara: User, now: datetime) -> None:
    start = day_start(now) + 10 * HOUR
    sender, listing = make_stocked_listing(sara, start, resolution="raw")
    follower = Follower(listing.consent, start)
    assert "_" not in follower.place
    Consent.objects.filter(pk=listing.consent.pk).update(resolution="15min", delay_seconds=600)
    listing.consent.refresh_from_db()
    follower = Follower(listing.consent, start)
    follower.place = Position(current_horizon(), None).text()
    follower.read(start)
    sender.send([(start + MINUTE, "air_temperature", 4.0)], start + 2 * MINUTE)
    follower.read(start + 20 * MINUTE)
    assert follower.table == {}
    follower.read(start + 40 * MINUTE)
    assert list(values(follower).values()) == [4.0]
