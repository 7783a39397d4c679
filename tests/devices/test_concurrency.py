"""The same thing from many connections at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from nacl.signing import SigningKey

from devices.errors import ClaimUsed, DeviceError, DeviceRetired, SequenceConflict
from devices.models import Batch, Device, DeviceKey, Measure
from devices.readings import read_readings
from devices.services import accept_batch, issue_claim, resolve_batches, retire_device
from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, add_waiting_device, enrol_with, records_of

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    """Start all acts at the same moment, each on a connection of its own."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait(10)
            return act()
        except DeviceError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_the_same_batch_eight_times_is_one_row(station: SigningDevice, now: datetime) -> None:
    envelope = station.sign(records_of([(now, "air_temperature", 1.0, "Cel")]), at=now)
    receipts = at_once([lambda: accept_batch(envelope=envelope, at=now)] * 8)
    assert sorted(receipt.is_repeat for receipt in receipts) == [False] + [True] * 7
    assert Batch.objects.count() == 1
    assert Measure.objects.count() == 1


def test_other_content_under_one_number_is_taken_once(station: SigningDevice, now: datetime) -> None:
    envelopes = [
        station.sign(records_of([(now, "air_temperature", float(value), "Cel")]), at=now, sequence=1)
        for value in range(8)
    ]
    outcomes = at_once([partial(accept_batch, envelope=envelope, at=now) for envelope in envelopes])
    assert sum(isinstance(outcome, SequenceConflict) for outcome in outcomes) == 7
    assert Batch.objects.count() == 1


def test_parallel_batches_of_one_device_are_all_taken(station: SigningDevice, now: datetime) -> None:
    envelopes = [
        station.sign(records_of([(now - timedelta(seconds=place), f"m{place % 3}", 1.0, "Cel")]), at=now)
        for place in range(16)
    ]
    at_once([partial(accept_batch, envelope=envelope, at=now) for envelope in envelopes])
    assert Batch.objects.count() == 16
    assert Measure.objects.count() == 3


def test_a_claim_code_used_twice_at_once_makes_one_device(sara: User, now: datetime) -> None:
    device = add_waiting_device(sara, now)
    code = issue_claim(device=device, at=now)
    outcomes = at_once([lambda: enrol_with(code, SigningKey.generate(), now)] * 6)
    assert sum(isinstance(outcome, Device) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ClaimUsed) for outcome in outcomes) == 5
    assert DeviceKey.objects.count() == 1


def test_two_resolvers_at_once_count_each_reading_once(station: SigningDevice, now: datetime) -> None:
    for number in range(6):
        readings = [(now - timedelta(minutes=10 * number + place), "t", 1.0, "K") for place in range(10)]
        station.send(readings, at=now)
    assert sum(at_once([lambda: resolve_batches(device=station.device, at=now)] * 4)) == 6
    station.device.refresh_from_db()
    assert station.device.reading_count == 60
    assert Measure.objects.get().reading_count == 60
    assert read_readings(station.device).height == 60


def test_nothing_is_taken_after_a_retirement_was_committed(station: SigningDevice, now: datetime) -> None:
    envelopes = [
        station.sign(records_of([(now - timedelta(seconds=place), "t", 1.0, "K")]), at=now) for place in range(8)
    ]
    uploads = [partial(accept_batch, envelope=envelope, at=now) for envelope in envelopes]
    outcomes = at_once([partial(retire_device, device=station.device, at=now), *uploads])
    taken = sum(not isinstance(outcome, DeviceError) for outcome in outcomes[1:])
    assert Batch.objects.count() == taken
    assert all(isinstance(outcome, DeviceRetired) for outcome in outcomes[1:] if isinstance(outcome, DeviceError))
    with pytest.raises(DeviceRetired):
        accept_batch(envelope=envelopes[0], at=now)
