"""The resolver's tasks: one device each, and a sweep for what a lost nudge left."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from devices import tasks
from devices.models import Batch, Device
from devices.resolving import resolve_batches
from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, make_signing_device

pytestmark = pytest.mark.django_db


def send(station: SigningDevice, now: datetime, first: int = 0) -> None:
    station.send([(now - timedelta(minutes=first), "air_temperature", 20.0, "Cel")], at=now)


def test_a_device_is_resolved_and_the_task_may_run_twice(station: SigningDevice, now: datetime) -> None:
    send(station, now)
    for _ in range(2):
        tasks.resolve_device_task(station.device.pk)
    assert not Batch.objects.waiting().exists()
    tasks.resolve_device_task(-1)


def test_the_sweep_gives_every_waiting_device_a_task_of_its_own(
    sara: User, station: SigningDevice, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tasks.resolve_device_task, "apply_async", lambda arguments, **_: sent.extend(arguments))
    other, idle = make_signing_device(sara, now), make_signing_device(sara, now)
    for one in (station, other):
        send(one, now)
    tasks.resolve_waiting_task()
    assert sorted(sent) == sorted([station.device.pk, other.device.pk])
    assert idle.device.pk not in sent


def test_a_device_that_cannot_be_resolved_holds_up_no_other(
    sara: User, station: SigningDevice, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_signing_device(sara, now)
    for one in (station, other):
        send(one, now)

    def resolve(*, device: Device, at: datetime) -> int:
        if device == station.device:
            raise OSError("no space left")
        return resolve_batches(device=device, at=at)

    def worker(arguments: tuple[int], **_: Any) -> None:
        """As a worker does: a task that fails is its own business."""
        try:
            tasks.resolve_device_task(*arguments)
        except OSError:
            failed.append(arguments[0])

    failed: list[int] = []
    monkeypatch.setattr(tasks, "resolve_batches", resolve)
    monkeypatch.setattr(tasks.resolve_device_task, "apply_async", worker)
    tasks.resolve_waiting_task()
    assert failed == [station.device.pk]
    assert list(Batch.objects.waiting().values_list("device", flat=True)) == [station.device.pk]
