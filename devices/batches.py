"""Take a signed batch. The hot path of the product: one statement, and nothing is done once per reading."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import zstandard
from django.db import IntegrityError, connection, transaction

from devices.announcing import announce_batch
from devices.braking import count_batch
from devices.envelope import SENML_CBOR, Envelope, open_envelope, verify_envelope
from devices.errors import (
    ClockSkew,
    DeviceError,
    DeviceRetired,
    KeyUnknown,
    SequenceConflict,
    TooManyBatches,
    TooManyMeasures,
    UnitChanged,
)
from devices.limits import CLOCK_SKEW_MINUTES
from devices.models import Device, Measure
from devices.nudging import nudge_resolver
from devices.senml import Pack, resolve_pack

MAX_MEASURES = 200
_ZSTD_LEVEL = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_REMEMBERED = 10_000
_local = threading.local()

_FIND_SENDER = """
    SELECT key.public_key, key.retired_at IS NOT NULL, device.id, device.public_id,
           batch.content_hash, batch.reading_count,
           (SELECT json_object_agg(name, unit)::text FROM devices_measure WHERE device_id = device.id)
    FROM devices_devicekey AS key
    JOIN devices_device AS device ON device.id = key.device_id
    LEFT JOIN LATERAL (
        SELECT content_hash, reading_count FROM devices_batch
        WHERE device_id IN (device.id, device.predecessor_id) AND sequence = %s
        ORDER BY device_id DESC LIMIT 1
    ) AS batch ON true
    WHERE key.key_id = %s AND key.handed_over_at IS NULL
"""

# The key is asked again, so that nothing is taken after a retirement was committed, and that a device which changed
# hands is found anew; so is a batch that the former owner's row has. The device's row is brought up to date by whoever
# finds it free, at most once a second: parallel uploads of one device must not queue for it.
_INSERT_BATCH = """
    WITH seen AS (
        UPDATE devices_device
        SET last_seen_at = greatest(last_seen_at, %(at)s), last_sequence = greatest(last_sequence, %(sequence)s)
        WHERE id IN (
            SELECT id FROM devices_device
            WHERE id = %(device_id)s AND (last_seen_at IS NULL OR last_seen_at < %(at)s - interval '1 second')
            FOR NO KEY UPDATE SKIP LOCKED
        )
    )
    INSERT INTO devices_batch (
        device_id, sequence, content_hash, content_type, envelope, envelope_size, reading_count,
        issued_at, received_at, first_reading_at, last_reading_at
    )
    SELECT device_id, %(sequence)s, %(content_hash)s, %(content_type)s, %(envelope)s, %(envelope_size)s,
           %(reading_count)s, %(issued_at)s, %(at)s, %(first_reading_at)s, %(last_reading_at)s
    FROM devices_devicekey WHERE key_id = %(key_id)s AND device_id = %(device_id)s AND retired_at IS NULL
        AND NOT EXISTS (
            SELECT FROM devices_device AS device
            JOIN devices_batch AS batch ON batch.device_id = device.predecessor_id AND batch.sequence = %(sequence)s
            WHERE device.id = %(device_id)s
        )
    ON CONFLICT (device_id, sequence) DO NOTHING
    RETURNING id
"""


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """is_repeat: the same content was taken before under this sequence number; nothing was written this time."""

    device_id: int
    device_public_id: UUID
    sequence: int
    is_repeat: bool
    content_hash: bytes
    reading_count: int


@dataclass(frozen=True, slots=True)
class _Sender:
    public_key: bytes
    is_key_retired: bool
    device_id: int
    device_public_id: UUID
    stored_hash: bytes | None
    stored_count: int
    unit_of: Mapping[str, str]


# Key ids and who sends under them, as of a batch that was taken. All of it holds for good, except that a key may be
# retired or go on to another owner's row, which the insert asks about, and that measures may be added.
_remembered: dict[bytes, _Sender] = {}


def accept_batch(*, envelope: bytes, at: datetime) -> BatchReceipt:
    """Check a signed batch and store it durably. Source of the format: docs/devices.md.

    envelope: COSE_Sign1 bytes as they came in, at most 1 MiB.
    Raises a BatchError; nothing is written when it raises. A repeat of a stored batch, even one that was signed anew,
    is harmless: it is answered with is_repeat.
    """
    opened = open_envelope(envelope)
    sender = _remembered.get(opened.key_id)
    if sender is not None:
        try:
            return _accept(envelope, opened, sender, at)
        except TooManyBatches:
            raise
        except DeviceError:
            # Only what the database says now refuses a batch, and in the one order of reasons.
            _remembered.pop(opened.key_id, None)
    return _accept(envelope, opened, _find_sender(opened), at)


def _accept(envelope: bytes, opened: Envelope, sender: _Sender, at: datetime) -> BatchReceipt:
    verify_envelope(opened, sender.public_key)
    if sender.is_key_retired:
        raise DeviceRetired
    # Only what the device itself signed counts: nobody else can use up its share.
    count_batch(sender.device_id, at)
    content_hash = sha256(opened.content_type.encode() + b"\0" + opened.payload).digest()
    if sender.stored_hash is not None:
        return _repeat(opened, sender, content_hash)
    if abs(at.timestamp() - opened.issued_at) > CLOCK_SKEW_MINUTES * 60:
        raise ClockSkew
    is_cbor = opened.content_type == SENML_CBOR
    pack = resolve_pack(opened.payload, is_cbor=is_cbor, issued_at=opened.issued_at)
    row = {
        **_envelope_columns(envelope, opened),
        **_reading_columns(pack),
        "key_id": opened.key_id,
        "device_id": sender.device_id,
        "content_hash": content_hash,
        "at": at,
    }
    new_measures = _new_measures(pack.unit_of, sender.unit_of)
    if new_measures:
        _remembered.pop(opened.key_id, None)
        with transaction.atomic():
            _add_measures(sender.device_id, new_measures)
            is_inserted = _insert(row)
            if not is_inserted:
                # A batch that is not taken leaves no measures behind.
                transaction.set_rollback(True)
    else:
        is_inserted = _insert(row)
    if not is_inserted:
        # Another request was faster: with the same sequence number, the retirement, or a change of hands.
        return _lost_race(envelope, opened, sender, content_hash, at)
    if not new_measures:
        _remember(opened.key_id, sender)
    announce_batch(sender.device_id)
    nudge_resolver(sender.device_id, at)
    return _receipt(opened, sender, content_hash, len(pack.names), is_repeat=False)


def _find_sender(opened: Envelope) -> _Sender:
    with connection.cursor() as cursor:
        cursor.execute(_FIND_SENDER, [opened.sequence, opened.key_id])
        row = cursor.fetchone()
    if row is None:
        raise KeyUnknown
    public_key, is_key_retired, device_id, public_id, stored_hash, stored_count, measures = row
    return _Sender(
        public_key=bytes(public_key),
        is_key_retired=is_key_retired,
        device_id=device_id,
        device_public_id=public_id,
        stored_hash=None if stored_hash is None else bytes(stored_hash),
        stored_count=stored_count or 0,
        unit_of=json.loads(measures) if measures else {},
    )


def _remember(key_id: bytes, sender: _Sender) -> None:
    if key_id not in _remembered:
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key_id] = sender


def _repeat(opened: Envelope, sender: _Sender, content_hash: bytes) -> BatchReceipt:
    if sender.stored_hash != content_hash:
        raise SequenceConflict
    return _receipt(opened, sender, content_hash, sender.stored_count, is_repeat=True)


def _lost_race(envelope: bytes, opened: Envelope, lost: _Sender, content_hash: bytes, at: datetime) -> BatchReceipt:
    sender = _find_sender(opened)
    if sender.device_id != lost.device_id:
        _remembered.pop(opened.key_id, None)
        return _accept(envelope, opened, sender, at)
    if sender.is_key_retired or sender.stored_hash is None:
        # As a process answers that does not remember the device: also to a repeat.
        raise DeviceRetired
    return _repeat(opened, sender, content_hash)


def _receipt(
    opened: Envelope, sender: _Sender, content_hash: bytes, reading_count: int, *, is_repeat: bool
) -> BatchReceipt:
    return BatchReceipt(
        device_id=sender.device_id,
        device_public_id=sender.device_public_id,
        sequence=opened.sequence,
        is_repeat=is_repeat,
        content_hash=content_hash,
        reading_count=reading_count,
    )


def _envelope_columns(envelope: bytes, opened: Envelope) -> dict[str, Any]:
    return {
        "sequence": opened.sequence,
        "content_type": opened.content_type,
        "envelope": _compressor().compress(envelope),
        "envelope_size": len(envelope),
        "issued_at": datetime.fromtimestamp(opened.issued_at, UTC),
    }


def _reading_columns(pack: Pack) -> dict[str, Any]:
    return {
        "reading_count": len(pack.names),
        "first_reading_at": _EPOCH + timedelta(microseconds=int(pack.times.min())),
        "last_reading_at": _EPOCH + timedelta(microseconds=int(pack.times.max())),
    }


def _insert(row: dict[str, Any]) -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_BATCH, row)
            return cursor.fetchone() is not None
    except IntegrityError:
        # The device was erased while this waited for it; a batch of an unknown device is refused as such.
        if connection.in_atomic_block:
            raise
        return False


def _new_measures(sent: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    new = {}
    for name, unit in sent.items():
        if name not in known:
            new[name] = unit
        elif known[name] != unit:
            raise UnitChanged(f"{name} was sent in {known[name]} before, and now in {unit}.")
    if new and len(known) + len(new) > MAX_MEASURES:
        raise TooManyMeasures
    return new


def _add_measures(device_id: int, unit_of: Mapping[str, str]) -> None:
    """Write measures that the device never sent before. Under the device's lock, so that units and limit hold."""
    if not Device.objects.select_for_update(no_key=True).filter(pk=device_id).exists():
        raise KeyUnknown
    known = dict(Measure.objects.filter(device_id=device_id).values_list("name", "unit"))
    missing = _new_measures(unit_of, known)
    Measure.objects.bulk_create(Measure(device_id=device_id, name=name, unit=unit) for name, unit in missing.items())


def _compressor() -> zstandard.ZstdCompressor:
    # One for each thread: a compressor must not be shared, and making one costs more than using it.
    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
    return _local.compressor
