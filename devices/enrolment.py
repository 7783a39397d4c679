"""Bind a key to a device: a claim code from the owner, a nonce from the server, a proof from the device."""

import secrets
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from devices.didkey import key_id
from devices.errors import (
    ClaimExpired,
    ClaimUnknown,
    ClaimUsed,
    DeviceEnrolled,
    DeviceHandedOver,
    DeviceNotEnrolled,
    DeviceRetired,
    KeyTaken,
    NonceInvalid,
    ProofInvalid,
)
from devices.limits import CLAIM_MINUTES
from devices.models import ClaimCode, Device, DeviceKey
from devices.proof import ALPHABET, CODE_LENGTH, normal_code, proof_message

_NONCE_SECONDS = 600
_STAMP_BYTES = 8
_RANDOM_BYTES = 16
_MAC_BYTES = 16


@transaction.atomic
def add_device(*, owner: Any, name: str, kind: str, country: str, region: str, at: datetime) -> Device:
    """Add a device that has no key yet. country: ISO 3166 alpha-2 or empty; region: a coarse place or empty."""
    return Device.objects.create(owner=owner, name=name, kind=kind, country=country, region=region, created_at=at)


@transaction.atomic
def issue_claim(*, device: Device, at: datetime) -> str:
    """Return a new claim code, XXXX-XXXX, good for one enrolment within ten minutes. Older codes of the device die.

    Raises: DeviceEnrolled.
    """
    device = Device.objects.select_for_update().get(pk=device.pk)
    if device.state != Device.State.WAITING:
        raise DeviceEnrolled
    ClaimCode.objects.filter(device=device).usable_at(at).update(expires_at=at)
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    ClaimCode.objects.create(
        device=device,
        code_hash=_code_hash(letters),
        created_at=at,
        expires_at=at + timedelta(minutes=CLAIM_MINUTES),
    )
    return f"{letters[:4]}-{letters[4:]}"


def issue_nonce(*, code: str, at: datetime) -> bytes:
    """Return a nonce for one claim code. Nothing is stored: the server knows it again by its own mark.

    It says nothing about whether the code exists.
    """
    stamped = int(at.timestamp()).to_bytes(_STAMP_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
    return stamped + _nonce_mark(stamped, code)


@transaction.atomic
def enrol_device(*, code: str, public_key: bytes, proof: bytes, nonce: bytes, at: datetime) -> Device:
    """Bind a public key to the device that the claim code was made for.

    public_key: 32 bytes, Ed25519; proof: its signature over proof_message(nonce, code, public_key).
    Raises: NonceInvalid, ProofInvalid, ClaimUnknown, ClaimUsed, ClaimExpired, DeviceEnrolled, KeyTaken.
    Nothing is written when it raises.
    """
    _check_nonce(nonce, code, at)
    _check_proof(code, public_key, proof, nonce)
    # The device first, as everybody who changes its codes does; then nobody else uses or deletes this one.
    of_code = Device.objects.select_for_update(of=("self",)).filter(claim_codes__code_hash=_code_hash(code))
    device = of_code.first()
    claim = ClaimCode.objects.filter(code_hash=_code_hash(code)).first()
    if device is None or claim is None:
        raise ClaimUnknown
    if claim.used_at:
        raise ClaimUsed
    if claim.expires_at <= at:
        raise ClaimExpired
    if device.state != Device.State.WAITING:
        raise DeviceEnrolled
    claim.used_at = at
    claim.save(update_fields=["used_at"])
    device.enrolled_at = device.last_seen_at = at
    device.save(update_fields=["enrolled_at", "last_seen_at"])
    try:
        with transaction.atomic():
            DeviceKey.objects.create(device=device, public_key=public_key, key_id=key_id(public_key), created_at=at)
    except IntegrityError as error:
        raise KeyTaken from error
    return device


@transaction.atomic
def retire_device(*, device: Device, at: datetime) -> Device:
    """Refuse the device's key from now on. What it sent stays. Raises: DeviceNotEnrolled, DeviceRetired."""
    device = Device.objects.select_for_update().get(pk=device.pk)
    if device.retired_at:
        raise DeviceRetired("This device was retired already.")
    if device.handed_over_at:
        raise DeviceHandedOver
    if not device.enrolled_at:
        raise DeviceNotEnrolled
    device.retired_at = at
    device.save(update_fields=["retired_at"])
    DeviceKey.objects.filter(device=device, retired_at=None).update(retired_at=at)
    return device


def _code_hash(code: str) -> bytes:
    # Keyed, because 40 bits alone could be guessed from a stolen table within the code's life.
    return salted_hmac("devices.claim-code", normal_code(code), algorithm="sha256").digest()


def _nonce_mark(stamped: bytes, code: str) -> bytes:
    message = stamped + sha256(normal_code(code).encode()).digest()
    return salted_hmac("devices.enrolment-nonce", message, algorithm="sha256").digest()[:_MAC_BYTES]


def _check_nonce(nonce: bytes, code: str, at: datetime) -> None:
    stamped, mark = nonce[:-_MAC_BYTES], nonce[-_MAC_BYTES:]
    if len(nonce) != _STAMP_BYTES + _RANDOM_BYTES + _MAC_BYTES or not constant_time_compare(
        mark, _nonce_mark(stamped, code)
    ):
        raise NonceInvalid
    age_seconds = at.timestamp() - int.from_bytes(stamped[:_STAMP_BYTES], "big")
    if not -1 <= age_seconds <= _NONCE_SECONDS:
        raise NonceInvalid


def _check_proof(code: str, public_key: bytes, proof: bytes, nonce: bytes) -> None:
    try:
        VerifyKey(public_key).verify(proof_message(nonce, code, public_key), proof)
    except (BadSignatureError, ValueError) as error:
        raise ProofInvalid from error
