"""A download and its evidence, made of nothing but keys in memory: no database, no clock."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from nacl.signing import SigningKey

from devices.didkey import key_id
from devices.envelope import SENML_CBOR, SENML_JSON, sign_envelope
from devices.evidence import (
    EvidenceColumn,
    EvidenceEnd,
    EvidenceHeader,
    EvidenceKey,
    SignedBatch,
    end_line,
    envelope_line,
    header_line,
    key_line,
)
from devices.tables import instant_text
from ledger.disclosures import Disclosure
from ledger.entries import entry_bytes
from tests.builders_devices import senml_cbor
from tests.builders_receipts import POLICY, SmallLog

AT = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
COLUMNS = (
    EvidenceColumn("air_temperature", "air_temperature", "Cel"),
    EvidenceColumn("wind_speed", "wind/speed", "m/s"),
)
UNITS = {"air_temperature": "Cel", "wind/speed": "m/s"}
Reading = tuple[int, str, float]


def enrolled(key: bytes, number: int) -> tuple[bytes, Disclosure]:
    """The entry that enrols a key, and what opens its handle."""
    disclosure = Disclosure("device_key", UUID(bytes=key_id(key)), bytes([number]) * 32)
    entry_id = UUID(int=(0x7 << 76) | (1 << 63) | number)
    body = {"owner": "ab" * 32, "device": "cd" * 32, "key": disclosure.handle, "device_kind": "weather_station"}
    return entry_bytes(kind="device.enrolled", entry_id=entry_id, at=AT, refs=["cd" * 32], body=body), disclosure


@dataclass
class Origin:
    """batches: (device, sequence, readings, changes of the line); readings are (minute, field, value)."""

    batches: Sequence[tuple[int, int, Sequence[Reading], dict[str, Any]]]
    witnesses: int = 2
    withheld: dict[str, int] = field(default_factory=dict)
    is_cbor: bool = False

    def __post_init__(self) -> None:
        devices = sorted({device for device, *_ in self.batches})
        self.signers = {device: SigningKey(bytes([device]) * 32) for device in devices}
        made = [enrolled(bytes(signer.verify_key), device) for device, signer in self.signers.items()]
        self.log = SmallLog([entry for entry, _ in made])
        self.keys = [
            EvidenceKey(
                f"device-{device}",
                bytes(self.signers[device].verify_key),
                self.log.receipt(place, witnesses=self.witnesses).text(),
                made[place][1].text(),
            )
            for place, device in enumerate(devices)
        ]

    def lines(self) -> list[bytes]:
        header = EvidenceHeader(
            "purchase", "listing", "raw", COLUMNS, "", instant_text(_micros(9999)), instant_text(0), POLICY.text()
        )
        batches = [
            SignedBatch(f"device-{device}", self.envelope(device, sequence, readings), _received(sequence), **changes)
            for device, sequence, readings, changes in self.batches
        ]
        end = EvidenceEnd(len(batches), self.withheld)
        return [header_line(header), *map(key_line, self.keys), *map(envelope_line, batches), end_line(end)]

    def evidence(self) -> bytes:
        return b"".join(self.lines())

    def envelope(self, device: int, sequence: int, readings: Sequence[Reading]) -> bytes:
        records = [
            {"n": name, "u": UNITS.get(name, "Cel"), "t": _micros(minute) / 1e6, "v": value}
            for minute, name, value in readings
        ]
        return sign_envelope(
            key=self.signers[device],
            content_type=SENML_CBOR if self.is_cbor else SENML_JSON,
            payload=senml_cbor(records) if self.is_cbor else json.dumps(records).encode(),
            issued_at=int(AT.timestamp()),
            sequence=sequence,
        )

    def table(self) -> list[dict[str, Any]]:
        """What is true: of several readings for one moment the one with the highest number counts."""
        rows: dict[tuple[int, int], dict[str, float]] = {}
        for device, _, readings, _ in sorted(self.batches, key=lambda batch: batch[:2]):
            for minute, name, value in readings:
                rows.setdefault((minute, device), {})[name] = value
        return [
            {"time": instant_text(_micros(minute)), "device": f"device-{device}"}
            | {column.name: cells.get(column.field) for column in COLUMNS}
            for (minute, device), cells in sorted(rows.items())
        ]


def csv_of(rows: Sequence[dict[str, Any]]) -> bytes:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return target.getvalue().encode()


def ndjson_of(rows: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def senml_of(rows: Sequence[dict[str, Any]]) -> bytes:
    records = [
        {"n": f"{row['device']}/{name}", "t": datetime.fromisoformat(row["time"]).timestamp(), "v": value}
        for row in rows
        for name, value in row.items()
        if isinstance(value, float)
    ]
    return b"[" + b",\n".join(json.dumps(record).encode() for record in records) + b"]\n"


def _micros(minute: int) -> int:
    return int((AT - timedelta(days=1) + timedelta(minutes=minute)).timestamp()) * 1_000_000


def _received(sequence: int) -> str:
    return instant_text(_micros(10_000 + sequence))
