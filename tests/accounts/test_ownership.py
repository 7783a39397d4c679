"""Devices and the ledger together: nothing happens without its record."""

import json
from datetime import datetime
from uuid import UUID

import pytest

from devices.errors import DeviceRetired
from devices.models import Device
from ledger.models import OutboxRow
from ledger.services import commit_subject
from marketplace.accounts import ownership
from marketplace.accounts.models import User
from marketplace.accounts.services import retire_owned_device
from tests.builders_devices import make_signing_device

pytestmark = pytest.mark.django_db


def test_a_retirement_is_recorded(sara: User, now: datetime) -> None:
    device = make_signing_device(sara, now).device
    retire_owned_device(device=device, at=now)
    row = OutboxRow.objects.get()
    handle = commit_subject(kind="device", subject_id=device.public_id)
    # Never the device's own id: entries outlive an erasure.
    assert (row.kind, row.key) == ("device.retired", UUID(hex=handle[:32]))
    assert json.loads(bytes(row.body))["device"] == handle
    assert json.loads(bytes(row.body))["refs"] == [handle]


def test_a_second_retirement_is_not(sara: User, now: datetime) -> None:
    device = make_signing_device(sara, now).device
    retire_owned_device(device=device, at=now)
    with pytest.raises(DeviceRetired):
        retire_owned_device(device=device, at=now)
    assert OutboxRow.objects.count() == 1


def test_no_retirement_without_its_record(sara: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_signing_device(sara, now).device

    def crash(**_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(ownership, "submit_entry", crash)
    with pytest.raises(RuntimeError):
        retire_owned_device(device=device, at=now)
    device.refresh_from_db()
    assert device.state == Device.State.ENROLLED
