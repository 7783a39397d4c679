"""What a person does with a device and the log records: enrolling its key, handing it over, and retiring it."""

import logging
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from devices.models import Device, DeviceKey
from devices.services import enrol_device, retire_device
from ledger.errors import SubjectUnknown
from ledger.models import Entry
from ledger.services import commit_subject, disclose_subject, submit_entry
from marketplace.accounts import entries

logger = logging.getLogger(__name__)


@transaction.atomic
def enrol_owned_device(*, code: str, public_key: bytes, proof: bytes, nonce: bytes, at: datetime) -> Device:
    """Enrol a device and record it. Parameters and refusals as in devices.services.enrol_device."""
    device = enrol_device(code=code, public_key=public_key, proof=proof, nonce=nonce, at=at)
    owner, handle, key = _handles(device)
    body = entries.device_enrolled(owner=owner, device=handle, key=key, kind=device.kind)
    submit_entry(kind="device.enrolled", body=body, key=_record_key(handle), at=at, refs=[handle])
    logger.info("device.enrolled", extra={"device_id": device.public_id})
    return device


@transaction.atomic
def retire_owned_device(*, device: Device, at: datetime) -> Device:
    """Refuse the device's key from now on, and record it. Raises: DeviceNotEnrolled, DeviceRetired."""
    device = retire_device(device=device, at=at)
    owner, handle, key = _handles(device)
    body = entries.device_retired(owner=owner, device=handle, key=key)
    submit_entry(kind="device.retired", body=body, key=_record_key(handle), at=at, refs=[handle])
    logger.info("device.retired", extra={"device_id": device.public_id})
    return device


def record_handover(*, device: Device, taken: Device, at: datetime) -> None:
    """Record in the running transaction that a device went to another owner, and that its key is enrolled there.

    device: the former owner's row; taken: the new owner's.
    """
    owner, handle, _ = _handles(device)
    new_owner, new_handle, key = _handles(taken)
    body = entries.device_handed_over(owner=owner, new_owner=new_owner, device=handle, new_device=new_handle)
    submit_entry(kind="device.handed_over", body=body, key=_record_key(handle), at=at, refs=[handle])
    body = entries.device_enrolled(owner=new_owner, device=new_handle, key=key, kind=taken.kind)
    submit_entry(kind="device.enrolled", body=body, key=_record_key(new_handle), at=at, refs=[new_handle])


def record_readings_deletion(*, device: Device, batch_count: int, at: datetime) -> UUID:
    """Record in the running transaction that the owner deleted what the device sent. Returns the entry's id."""
    owner, handle, _ = _handles(device)
    body = entries.device_readings_deleted(owner=owner, device=handle, batch_count=batch_count)
    return submit_entry(kind="device.readings_deleted", body=body, key=uuid4(), at=at, refs=[handle])


def enrolment_entry(device: Device) -> Entry | None:
    """Found by the handle, which is all that the log knows the device by."""
    try:
        handle = disclose_subject(kind="device", subject_id=device.public_id).handle
    except SubjectUnknown:
        return None
    return Entry.objects.filter(kind="device.enrolled", refs__contains=[handle]).first()


def _record_key(handle: str) -> UUID:
    """Entries are kept for ever, so their key says no more than the handle does: never the device's own id."""
    return UUID(hex=handle[:32])


def _handles(device: Device) -> tuple[str, str, str]:
    key = DeviceKey.objects.filter(device=device).latest("created_at")
    return (
        commit_subject(kind="person", subject_id=device.owner.public_id),
        commit_subject(kind="device", subject_id=device.public_id),
        # A key id is as long as a UUID; whoever holds the secret can check which key was meant.
        commit_subject(kind="device_key", subject_id=UUID(bytes=bytes(key.key_id))),
    )
