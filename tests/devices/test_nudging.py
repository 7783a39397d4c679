"""Waking the worker after an upload."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from devices import nudging
from devices.models import Batch
from devices.tasks import resolve_device_task
from tests.builders_devices import SigningDevice

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    sent: list[Any] = []
    nudging._nudged_at.clear()
    monkeypatch.setattr(resolve_device_task, "apply_async", lambda arguments, **_: sent.append(arguments))
    return sent


def test_a_burst_nudges_once(station: SigningDevice, now: datetime, nudges: list[Any]) -> None:
    for second in range(3):
        station.send([(now, "t", 1.0, "K")], at=now + timedelta(seconds=second * 0.9))
    assert nudges == [(station.device.pk,)]
    station.send([(now, "t", 1.0, "K")], at=now + timedelta(seconds=3))
    assert len(nudges) == 2


def test_a_dead_broker_does_not_refuse_the_batch(
    station: SigningDevice, now: datetime, nudges: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(*_: object, **__: object) -> None:
        raise OperationalError

    monkeypatch.setattr(resolve_device_task, "apply_async", dead)
    assert not station.send([(now, "t", 1.0, "K")], at=now).is_repeat
    assert Batch.objects.waiting().count() == 1
