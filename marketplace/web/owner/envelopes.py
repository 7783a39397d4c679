"""A signed batch, taken apart for people."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import zstandard

from devices.envelope import SENML_CBOR, Envelope, open_envelope, verify_envelope
from devices.errors import DeviceError, SignatureInvalid
from devices.models import Batch, Device
from devices.senml import resolve_pack
from ledger.entries import at_text

READINGS_SHOWN = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DecodedBatch:
    """What the envelope says. is_verified: the signature was checked again just now, with the device's key."""

    issuer: str
    key_id_hex: str
    issued_at: datetime
    content_type: str
    signature_hex: str
    is_verified: bool
    readings: list[tuple[str, str, float, str]]
    reading_count: int


def decode_batch(batch: Batch, device: Device) -> DecodedBatch | None:
    """Return None for one that is shared or deleted, and for bytes that are none, as in a damaged database."""
    if not batch.envelope_size or batch.is_shared(device):
        return None
    try:
        opened = open_envelope(batch.original_envelope)
        is_cbor = opened.content_type == SENML_CBOR
        pack = resolve_pack(opened.payload, is_cbor=is_cbor, issued_at=opened.issued_at)
    except (DeviceError, zstandard.ZstdError):
        return None
    shown = range(min(len(pack.names), READINGS_SHOWN))
    return DecodedBatch(
        issuer=opened.issuer,
        key_id_hex=opened.key_id.hex(),
        issued_at=datetime.fromtimestamp(opened.issued_at, UTC),
        content_type=opened.content_type,
        signature_hex=opened.signature.hex(),
        is_verified=is_signed_by(opened, device),
        readings=[
            (exact_time(int(pack.times[row])), pack.names[row], float(pack.values[row]), pack.units[row])
            for row in shown
        ],
        reading_count=len(pack.names),
    )


def is_signed_by(envelope: Envelope, device: Device) -> bool:
    for key in device.keys.all():
        try:
            verify_envelope(envelope, bytes(key.public_key))
        except SignatureInvalid:
            continue
        return True
    return False


def exact_time(micros: int) -> str:
    """Microseconds since 1970, as the log writes times."""
    return at_text(EPOCH + timedelta(microseconds=micros))
