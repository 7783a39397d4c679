"""What devices signed, read out of an evidence file and checked on the way: keys, envelopes, then cells. Pure.

What fails does not stop the reading: it is kept as a fault, and its readings count for nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO
from uuid import UUID

from devices.didkey import key_id
from devices.envelope import SENML_CBOR, open_envelope, verify_envelope
from devices.errors import DeviceError, UnitUnknown
from devices.evidence import (
    MOST_KEYS,
    BrokenLine,
    EvidenceEnd,
    EvidenceHeader,
    EvidenceKey,
    EvidenceMalformed,
    Line,
    RowHashes,
    SignedBatch,
    StatedFile,
    read_lines,
)
from devices.plain_senml import Reading, SenmlRefused, plain_readings
from devices.tables import TableMalformed, instant_micros
from devices.units import ucum_unit
from ledger.disclosures import Disclosure, read_entry
from ledger.errors import LedgerError
from ledger.policy import LogPolicy
from ledger.receipts import Receipt, verify_receipt

ENROLLED, KEY = "device.enrolled", "device_key"
_MOST_FAULTS = 100

Cell = float | None | object
# In place of a value that a row of the download has used up.
SEEN = object()


class EntryOfAnotherKey(LedgerError):
    sentence = "The entry does not say that this key was enrolled."


@dataclass
class KnownKey:
    """trouble: why nothing proves that this key was enrolled; empty when it is proven."""

    device: str
    public_key: bytes
    entry_index: int | None = None
    is_final: bool = False
    trouble: str = ""


@dataclass
class SignedRow:
    """What devices signed for one moment: a cell for each column. key: the one that signed the newest of them."""

    cells: list[Cell]
    key: KnownKey


@dataclass
class SignedRows:
    """rows: by device and time. replaced: cells (device, time, column) for which an envelope that is not here counts.

    late_count: envelopes that were left out because they came after `received_until`.
    """

    header: EvidenceHeader
    policy: LogPolicy
    rows: dict[tuple[str, int], SignedRow] = field(default_factory=dict)
    replaced: set[tuple[str, int, int]] = field(default_factory=set)
    keys: dict[tuple[str, bytes], KnownKey] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    envelope_count: int = 0
    reading_count: int = 0
    late_count: int = 0
    end: EvidenceEnd | None = None

    def __post_init__(self) -> None:
        self.place_of = {column.field: place for place, column in enumerate(self.header.columns)}
        self.units_of = {column.field: set(column.unit.split(" / ")) for column in self.header.columns}
        self.sequences: dict[str, int] = {}

    def fault(self, sentence: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(sentence)


def read_signed_rows(
    source: BinaryIO, policy: Callable[[EvidenceHeader], LogPolicy], *, received_until: int | None = None
) -> SignedRows:
    """policy: says whose signatures count. received_until: microseconds; what came later is left out.

    Raises: EvidenceMalformed when the file is no evidence, and what `policy` raises.
    """
    signed: SignedRows | None = None
    for number, line in read_lines(source):
        if isinstance(line, EvidenceHeader):
            signed = SignedRows(line, policy(line))
            continue
        assert signed is not None, "read_lines yields the header first or raises"
        try:
            if signed.end is not None:
                raise EvidenceMalformed("It stands behind the end.")  # noqa: TRY301 - a fault like the others.
            _take(signed, line, received_until)
        except (DeviceError, LedgerError, EvidenceMalformed, SenmlRefused, TableMalformed) as error:
            signed.fault(f"Line {number} of the evidence: {error}")
    assert signed is not None
    if signed.end is None:
        signed.fault("The evidence has no end, so it is not whole.")
    elif signed.end.envelope_count != signed.envelope_count + signed.late_count:
        signed.fault(f"The evidence says that it holds {signed.end.envelope_count} envelopes; not so many are good.")
    return signed


def _take(signed: SignedRows, line: Line, received_until: int | None) -> None:
    if isinstance(line, BrokenLine):
        raise EvidenceMalformed(line.reason)
    if isinstance(line, StatedFile | RowHashes | EvidenceHeader):
        raise EvidenceMalformed(
            "Statements are for rows that were computed, and these are said to be as they were sent."
        )
    if isinstance(line, EvidenceEnd):
        signed.end = line
    elif isinstance(line, EvidenceKey):
        _take_key(signed, line)
    elif received_until is not None and instant_micros(line.received_at) > received_until:
        signed.late_count += 1
    else:
        _take_batch(signed, line)


def _take_key(signed: SignedRows, key: EvidenceKey) -> None:
    if len(signed.keys) >= MOST_KEYS:
        raise EvidenceMalformed(f"There are more than {MOST_KEYS} keys.")
    known = KnownKey(key.device, key.public_key)
    signed.keys[key.device, key_id(key.public_key)] = known
    if key.lacking:
        known.trouble = key.lacking
        return
    try:
        _prove_key(known, key, signed.policy)
    except LedgerError as error:
        known.trouble = f"The log's receipt for its key does not hold: {error}"
        raise


def _prove_key(known: KnownKey, key: EvidenceKey, policy: LogPolicy) -> None:
    """From the key to its handle, from the handle to the entry, from the entry to the signed root."""
    receipt = Receipt.parse(key.receipt)
    verified = verify_receipt(receipt, entry=receipt.extra, policy=policy)
    content = read_entry(receipt.extra)
    disclosure = Disclosure.parse(key.disclosure.encode(errors="surrogatepass"))
    names_this_key = (disclosure.subject_kind, disclosure.subject_id) == (KEY, UUID(bytes=key_id(key.public_key)))
    if not names_this_key or content.get("kind") != ENROLLED or content.get("key") != disclosure.handle:
        raise EntryOfAnotherKey
    known.entry_index, known.is_final = receipt.index, verified.is_final


def _take_batch(signed: SignedRows, batch: SignedBatch) -> None:
    envelope = open_envelope(batch.envelope)
    key = signed.keys.get((batch.device, envelope.key_id))
    if key is None:
        raise EvidenceMalformed(f"No key of {batch.device} that stands above it signed this envelope.")
    verify_envelope(envelope, key.public_key)
    if envelope.sequence <= signed.sequences.get(batch.device, 0):
        raise EvidenceMalformed(f"Envelope {envelope.sequence} of {batch.device} stands here twice, or out of order.")
    signed.sequences[batch.device] = envelope.sequence
    is_cbor = envelope.content_type == SENML_CBOR
    readings = plain_readings(envelope.payload, is_cbor=is_cbor, issued_at=envelope.issued_at)
    replaced = set(batch.replaced)
    for number, reading in enumerate(readings):
        _check_unit(signed, reading)
        place = signed.place_of.get(reading.name)
        if place is None:
            continue
        if number in replaced:
            signed.replaced.add((batch.device, reading.time, place))
            continue
        row = signed.rows.setdefault((batch.device, reading.time), SignedRow([None] * len(signed.place_of), key))
        row.cells[place], row.key = reading.value, key
    signed.envelope_count += 1
    signed.reading_count += len(readings)


def _check_unit(signed: SignedRows, reading: Reading) -> None:
    units = signed.units_of.get(reading.name)
    if units is None or reading.unit in units:
        return
    try:
        unit = ucum_unit(reading.unit)
    except UnitUnknown:
        unit = ""
    if unit not in units:
        raise EvidenceMalformed(f"The device measured {reading.name} in another unit than its column is said to have.")
    units.add(reading.unit)
