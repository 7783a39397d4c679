"""The evidence of a download: one file with the devices' own signed envelopes and what proves their keys. Pure.

JSON, one object a line, UTF-8. docs/evidence.md is the description for those who read it with programs of their own.

    {"format": "ownstream evidence", "version": 1, ...}   what was bought, and which column holds which field
    {"key": ...}                                          one for each device's key, with the log's receipt of it
    {"envelope": ...}                                     one for each envelope, a device's in the order of its numbers
    {"statement": ...}, {"row_hashes": ...}               instead of keys and envelopes, for rows that were computed
    {"end": ...}                                          how many there were, and what was held back and why
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

FORMAT, VERSION = "ownstream evidence", 1
SUFFIX = ".evidence.jsonl"
CONTENT_TYPE = "application/vnd.ownstream.evidence+jsonl"
# An envelope of a mebibyte in base64, and the numbers of all readings in it.
LONGEST_LINE = 1_600_000
MOST_COLUMNS = 500
MOST_KEYS = 1000
# Why an envelope is held back: what else it would show.
FIELDS, WINDOW, DELAY, SHARED, MORE = "fields", "window", "delay", "shared", "more"


class EvidenceMalformed(ValueError):
    """str(error) says what is wrong, in a sentence."""


@dataclass(frozen=True, slots=True)
class EvidenceColumn:
    """A column of the download: the device's own name for it, and its UCUM unit."""

    name: str
    field: str
    unit: str


@dataclass(frozen=True, slots=True)
class EvidenceHeader:
    """window_from, window_until, made_at: RFC 3339. policy: the market's own (C2SP tlog-policy), to be believed by
    nobody who has one of his own. resolution: "raw"; anything else is derived, and has statements, no envelopes.
    """

    purchase: str
    listing: str
    resolution: str
    columns: tuple[EvidenceColumn, ...]
    window_from: str
    window_until: str
    made_at: str
    policy: str

    @property
    def is_raw(self) -> bool:
        return self.resolution == "raw"


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """A device's public key. receipt: of the entry that enrolled it; disclosure: that the entry means this very key.

    lacking: why both are not there.
    """

    device: str
    public_key: bytes
    receipt: str = ""
    disclosure: str = ""
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """replaced: which of its readings, counted from 0, are not in the table, because another batch's stand there."""

    device: str
    envelope: bytes
    received_at: str
    replaced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StatedFile:
    """What the market said of a file of computed rows (see devices.derivation). receipt: of the log's entry that holds
    the statement's hash. low: which of its rows is the first one that was bought; beside: the hashes beside those.
    lacking: why its rows cannot be shown to belong to it.
    """

    statement: str
    receipt: str
    low: int = 0
    beside: bytes = b""
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class RowHashes:
    """More leaf hashes of the rows of the file named above it, 32 bytes each."""

    hashes: bytes


@dataclass(frozen=True, slots=True)
class EvidenceEnd:
    """withheld: how many envelopes were held back, by reason. envelope_count: of derived rows, the statements'."""

    envelope_count: int
    withheld: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BrokenLine:
    """A line that cannot be read; the others may still prove what they prove."""

    reason: str


Line = EvidenceHeader | EvidenceKey | SignedBatch | StatedFile | RowHashes | EvidenceEnd | BrokenLine


def header_line(header: EvidenceHeader) -> bytes:
    return _line(
        {
            "format": FORMAT,
            "version": VERSION,
            "purchase": header.purchase,
            "listing": header.listing,
            "resolution": header.resolution,
            "columns": [{"name": one.name, "field": one.field, "unit": one.unit} for one in header.columns],
            "window_from": header.window_from,
            "window_until": header.window_until,
            "made_at": header.made_at,
            "policy": header.policy,
        }
    )


def key_line(key: EvidenceKey) -> bytes:
    content = {"key": _text(key.public_key), "device": key.device}
    if key.lacking:
        return _line({**content, "lacking": key.lacking})
    return _line({**content, "receipt": key.receipt, "disclosure": key.disclosure})


def envelope_line(batch: SignedBatch) -> bytes:
    content: dict[str, Any] = {
        "envelope": _text(batch.envelope),
        "device": batch.device,
        "received_at": batch.received_at,
    }
    if batch.replaced:
        content["replaced"] = list(batch.replaced)
    return _line(content)


def statement_line(stated: StatedFile) -> bytes:
    content = {"statement": stated.statement, "receipt": stated.receipt}
    if stated.lacking:
        return _line({**content, "lacking": stated.lacking})
    return _line({**content, "low": stated.low, "beside": _text(stated.beside)})


def row_hashes_line(rows: RowHashes) -> bytes:
    return _line({"row_hashes": _text(rows.hashes)})


def end_line(end: EvidenceEnd) -> bytes:
    return _line({"end": {"envelopes": end.envelope_count, "withheld": dict(end.withheld)}})


def read_lines(source: BinaryIO) -> Iterator[tuple[int, Line]]:
    """Yield each line with its number from 1. Raises EvidenceMalformed where the file is no evidence at all."""
    number = 0
    while encoded := source.readline(LONGEST_LINE + 1):
        number += 1
        if len(encoded) > LONGEST_LINE:
            raise EvidenceMalformed(f"Line {number} has more than {LONGEST_LINE:,} bytes.")
        try:
            line = _read(encoded, is_first=number == 1)
        except EvidenceMalformed as error:
            if number == 1:
                raise
            line = BrokenLine(str(error))
        yield number, line
    if not number:
        raise EvidenceMalformed("The file is empty.")


def _read(encoded: bytes, *, is_first: bool) -> Line:
    if not encoded.endswith(b"\n"):
        raise EvidenceMalformed("The file ends within a line.")
    try:
        content = json.loads(encoded, parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as error:
        raise EvidenceMalformed("This is not JSON.") from error
    if not isinstance(content, dict):
        raise EvidenceMalformed("This is no JSON object.")
    if is_first:
        return _header(content)
    if "key" in content:
        return _key(content)
    if "envelope" in content:
        return _envelope(content)
    if "statement" in content:
        return _statement(content)
    if "row_hashes" in content:
        return RowHashes(_hashes(content, "row_hashes"))
    if "end" in content:
        return _end(content)
    raise EvidenceMalformed("This is none of the lines that evidence has.")


def _header(content: dict[str, Any]) -> EvidenceHeader:
    if content.get("format") != FORMAT:
        raise EvidenceMalformed(f'The first line of evidence names the format "{FORMAT}".')
    if content.get("version") != VERSION:
        raise EvidenceMalformed(f"This is evidence of another version than {VERSION}, which this program knows.")
    columns = content.get("columns")
    if not isinstance(columns, list) or len(columns) > MOST_COLUMNS or not all(isinstance(c, dict) for c in columns):
        raise EvidenceMalformed(f"The first line lists at most {MOST_COLUMNS} columns.")
    texts = ("purchase", "listing", "resolution", "window_from", "window_until", "made_at", "policy")
    read = tuple(EvidenceColumn(*(_str(column, name) for name in ("name", "field", "unit"))) for column in columns)
    for names in ({one.name for one in read}, {one.field for one in read}):
        if len(names) != len(read):
            raise EvidenceMalformed("A column or a field stands twice in the first line.")
    return EvidenceHeader(columns=read, **{name: _str(content, name) for name in texts})


def _key(content: dict[str, Any]) -> EvidenceKey:
    public_key = _bytes(content, "key")
    if len(public_key) != 32:
        raise EvidenceMalformed("A device's public key has 32 bytes.")
    device = _str(content, "device")
    if "lacking" in content:
        return EvidenceKey(device, public_key, lacking=_str(content, "lacking"))
    return EvidenceKey(device, public_key, _str(content, "receipt"), _str(content, "disclosure"))


def _envelope(content: dict[str, Any]) -> SignedBatch:
    replaced = content.get("replaced", [])
    if not isinstance(replaced, list) or not all(type(place) is int and place >= 0 for place in replaced):
        raise EvidenceMalformed("The places of replaced readings are whole numbers.")
    envelope = _bytes(content, "envelope")
    return SignedBatch(_str(content, "device"), envelope, _str(content, "received_at"), tuple(replaced))


def _statement(content: dict[str, Any]) -> StatedFile:
    statement, receipt = _str(content, "statement"), _str(content, "receipt")
    if "lacking" in content:
        return StatedFile(statement, receipt, lacking=_str(content, "lacking"))
    low = content.get("low")
    if type(low) is not int or not 0 <= low < 2**53:
        raise EvidenceMalformed("The first row of a part has a whole number.")
    return StatedFile(statement, receipt, low, _hashes(content, "beside"))


def _hashes(content: dict[str, Any], name: str) -> bytes:
    hashes = _bytes(content, name)
    if len(hashes) % 32:
        raise EvidenceMalformed("Hashes have 32 bytes each.")
    return hashes


def _end(content: dict[str, Any]) -> EvidenceEnd:
    end = content["end"]
    if not isinstance(end, dict) or not isinstance(end.get("withheld"), dict):
        raise EvidenceMalformed("The last line says how many envelopes there are, and what was held back.")
    counts = [end.get("envelopes"), *end["withheld"].values()]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise EvidenceMalformed("The counts of the last line are whole numbers.")
    return EvidenceEnd(end["envelopes"], end["withheld"])


def _str(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise EvidenceMalformed(f"The text {name} is missing.")
    return value


def _bytes(content: dict[str, Any], name: str) -> bytes:
    text = _str(content, name)
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EvidenceMalformed(f"{name} is not base64.") from error
    if _text(value) != text:
        raise EvidenceMalformed(f"{name} is not base64 in its standard spelling.")
    return value


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _refuse(text: str) -> NoReturn:
    raise EvidenceMalformed(f"{text[:40]} is not expected here: all numbers are whole.")
