"""How many batches a device may send a minute."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from devices import braking
from devices.braking import SHARED_EVERY, count_batch
from devices.errors import SequenceConflict, TooManyBatches
from devices.models import Batch, Measure
from devices.services import accept_batch
from tests.builders_devices import SigningDevice, records_of

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
DEVICE = 77


@pytest.fixture(autouse=True)
def most(settings: Any) -> int:
    braking._counts.clear()
    braking._rest["until"] = 0.0
    common = braking._client(settings.CACHE_URL)
    for key in common.scan_iter("devices:batches:*"):
        common.delete(key)
    settings.DEVICE_BATCHES_A_MINUTE = 3 * SHARED_EVERY
    return 3 * SHARED_EVERY


def count_until_refused(device_id: int = DEVICE) -> int:
    for number in itertools.count():
        try:
            count_batch(device_id, NOW)
        except TooManyBatches:
            return number
    raise AssertionError


def as_another_process() -> None:
    braking._counts.clear()


def test_a_device_has_its_share_of_each_minute(most: int) -> None:
    assert count_until_refused() == most
    with pytest.raises(TooManyBatches) as refusal:
        count_batch(DEVICE, NOW)
    assert refusal.value.retry_after_seconds == 7
    count_batch(DEVICE + 1, NOW)
    count_batch(DEVICE, NOW + timedelta(seconds=7))


def test_processes_count_together(most: int) -> None:
    assert count_until_refused() == most
    as_another_process()
    assert count_until_refused() == SHARED_EVERY


def test_most_batches_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def shared(device_id: int, _: int) -> int:
        asked.append(device_id)
        return 0

    monkeypatch.setattr(braking, "_shared", shared)
    for _ in range(2 * SHARED_EVERY):
        count_batch(DEVICE, NOW)
    assert asked == [DEVICE, DEVICE]


def test_without_redis_each_process_counts_for_itself(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def dead(address: str) -> Any:
        tried.append(address)
        raise redis.ConnectionError

    monkeypatch.setattr(braking, "_client", dead)
    assert count_until_refused() == most
    as_another_process()
    assert count_until_refused() == most
    assert len(tried) == 1


@pytest.mark.django_db
def test_a_batch_beyond_the_share_is_not_taken(station: SigningDevice, now: datetime, most: int) -> None:
    def sign(name: str = "t", **changes: Any) -> bytes:
        return station.sign(records_of([(now, name, 1.0, "K")]), at=now, **changes)

    for _ in range(2):
        accept_batch(envelope=sign(), at=now)
    braking._counts[station.device.pk].own = most
    for envelope in (sign(), sign("new"), sign(sequence=1)):
        with pytest.raises(TooManyBatches):
            accept_batch(envelope=envelope, at=now)
    assert (Batch.objects.count(), Measure.objects.count()) == (2, 1)
    station.sequence = 2
    later = now + timedelta(minutes=1)
    accept_batch(envelope=sign(), at=later)
    with pytest.raises(SequenceConflict):
        accept_batch(envelope=sign("other", sequence=1), at=later)
