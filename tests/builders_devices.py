"""Devices that hold a real key, for tests of everything that reads readings."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import cbor2
from nacl.signing import SigningKey

from devices.envelope import SENML_CBOR, SENML_JSON, sign_envelope
from devices.models import Device
from devices.proof import proof_message
from devices.services import BatchReceipt, accept_batch, add_device, enrol_device, issue_claim, issue_nonce

CBOR_LABELS = {"bn": -2, "bt": -3, "bu": -4, "bv": -5, "bver": -1, "n": 0, "u": 1, "v": 2, "t": 6}
Reading = tuple[datetime, str, float, str]


@dataclass
class SigningDevice:
    """An enrolled device as its maker sees it: the key, and the next sequence number."""

    device: Device
    key: SigningKey
    sequence: int = field(default=0)

    def sign(
        self, records: object, *, at: datetime, sequence: int | None = None, is_cbor: bool = False, **changes: Any
    ) -> bytes:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        if isinstance(records, bytes):
            payload = records
        else:
            payload = senml_cbor(records) if is_cbor else json.dumps(records, separators=(",", ":")).encode()
        terms: dict[str, Any] = {
            "key": self.key,
            "content_type": SENML_CBOR if is_cbor else SENML_JSON,
            "payload": payload,
            "issued_at": int(at.timestamp()),
            "sequence": sequence,
        }
        return sign_envelope(**(terms | changes))

    def send(self, readings: Iterable[Reading], *, at: datetime, **changes: Any) -> BatchReceipt:
        return accept_batch(envelope=self.sign(records_of(readings), at=at, **changes), at=at)


def records_of(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    return [{"n": name, "u": unit, "t": time.timestamp(), "v": value} for time, name, value, unit in readings]


def senml_cbor(records: Any) -> bytes:
    if not isinstance(records, list):
        return cbor2.dumps(records)
    return cbor2.dumps([relabelled(record) for record in records])


def relabelled(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {CBOR_LABELS.get(name, name): value for name, value in record.items()}


def add_waiting_device(owner: Any, at: datetime, **changes: Any) -> Device:
    terms = {"name": "Roof", "kind": "weather_station", "country": "DE", "region": "Berlin"}
    return add_device(owner=owner, at=at, **(terms | changes))


def enrol_with(code: str, key: SigningKey, at: datetime) -> Device:
    public_key = bytes(key.verify_key)
    nonce = issue_nonce(code=code, at=at)
    proof = key.sign(proof_message(nonce, code, public_key)).signature
    return enrol_device(code=code, public_key=public_key, proof=proof, nonce=nonce, at=at)


def make_signing_device(owner: Any, at: datetime, **changes: Any) -> SigningDevice:
    device = add_waiting_device(owner, at, **changes)
    key = SigningKey.generate()
    return SigningDevice(enrol_with(issue_claim(device=device, at=at), key, at), key)
