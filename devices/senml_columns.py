"""Read the records of a SenML pack into columns, strictly. Pure.

Each format has a quick way for what well-made devices send, and a slow way that decides, with the exact reason, where
the quick one is not certain. Absent fields are None.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, NoReturn

import cbor2
import msgspec

from devices.errors import SenmlMalformed, ValueUnsupported
from devices.strict_cbor import CborRefused, decode_strictly

_HIGHEST_VERSION = 10
_NUMBERS = {int, float}
# Up to here every integer is a double.
_LARGEST_INTEGER = 2**53
_CBOR_LABELS = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_TEXTS = ("bn", "bu", "n", "u")
_FLOATS = ("bt", "bv", "t", "v", "ut")
_KNOWN = {"bver", "bn", "bt", "bu", "bv", "n", "u", "v", "t"}
_UNSUPPORTED = ("vs", "vb", "vd", "s", "bs")


class Base(NamedTuple):
    name: str | None
    unit: str | None
    time: float | None
    value: float | None


@dataclass(frozen=True, slots=True)
class Columns:
    """bases: the base fields of the records that have any, by row; base_rows: those rows in order."""

    size: int
    names: list[str | None]
    units: list[str | None]
    values: list[float | None]
    times: list[float | None]
    bases: dict[int, Base]
    base_rows: list[int]


class _Record(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The fields that a well-made pack of numbers has. Unset is None, so null needs a look of its own."""

    n: str | None = None
    u: str | None = None
    v: float | None = None
    t: float | None = None
    bn: str | None = None
    bu: str | None = None
    bt: float | None = None
    bv: float | None = None
    bver: int | None = None


_QUICK_JSON = msgspec.json.Decoder(list[_Record])


def read_json(payload: bytes) -> Columns:
    """Raises: SenmlMalformed, ValueUnsupported."""
    try:
        records = _QUICK_JSON.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _columns_of_dicts(_decode_json_slowly(payload))
    names = [record.n for record in records]
    units = [record.u for record in records]
    values = [record.v for record in records]
    times = [record.t for record in records]
    base_rows = _base_rows(payload, records)
    bases = [records[row] for row in base_rows]
    if _has_surprises(payload, len(records), (names, units, values, times), bases):
        return _columns_of_dicts(_decode_json_slowly(payload))
    for record in bases:
        _check_version(record.bver)
    by_row = {row: Base(r.bn, r.bu, r.bt, r.bv) for row, r in zip(base_rows, bases, strict=True)}
    return Columns(len(records), names, units, values, times, by_row, base_rows)


def _base_rows(payload: bytes, records: list[_Record]) -> list[int]:
    # A key that is written with an escape is one of the surprises that send the payload the slow way.
    if b'"b' not in payload:
        return []
    return [
        row
        for row, record in enumerate(records)
        if record.bn is not None
        or record.bt is not None
        or record.bu is not None
        or record.bv is not None
        or record.bver is not None
    ]


def _has_surprises(payload: bytes, size: int, columns: tuple[list[Any], ...], bases: list[_Record]) -> bool:
    """Tell whether the text can hold more than was decoded: a key twice, a null, an escape, a rounded integer.

    Without escapes each text has two quotes, so their number follows from the fields that were found.
    """
    if _reaches_far([*columns[2:], [base.bt for base in bases], [base.bv for base in bases]]):
        return True
    set_counts = [size - column.count(None) for column in columns]
    texts = set_counts[0] + set_counts[1]
    keys = sum(set_counts)
    for base in bases:
        texts += (base.bn is not None) + (base.bu is not None)
        keys += sum(field is not None for field in (base.bn, base.bu, base.bt, base.bv, base.bver))
    return b"\\" in payload or payload.count(b'"') != 2 * (keys + texts)


def _reaches_far(columns: list[list[float | None]]) -> bool:
    """Tell whether a number is as large as those that an integer may have been rounded to on its way to a float."""
    for column in columns:
        numbers: list[Any] = [number for number in column if number is not None] if None in column else column
        if numbers and not -_LARGEST_INTEGER < min(numbers) <= max(numbers) < _LARGEST_INTEGER:
            return True
    return False


def read_cbor(payload: bytes) -> Columns:
    """Raises: SenmlMalformed, ValueUnsupported."""
    try:
        pack = cbor2.loads(payload)
        is_unambiguous = cbor2.dumps(pack) == payload and _has_plain_labels(pack)
    except Exception:  # noqa: BLE001 - cbor2's tags raise whatever the types behind them raise.
        is_unambiguous = False
    if not is_unambiguous:
        try:
            pack = decode_strictly(payload)
        except CborRefused as error:
            raise SenmlMalformed(str(error)) from error
    if type(pack) is not list or not all(type(record) is dict for record in pack):
        raise SenmlMalformed("A SenML pack is a list of records.")
    return _columns(pack, lambda name: _LABELS[name])


def holds_only_readings(payload: bytes, *, is_cbor: bool) -> bool:
    """Tell whether a pack that was taken holds no label but those of readings: what others mean nobody here knows."""
    if is_cbor:
        return {_CBOR_LABELS.get(label) for label in chain.from_iterable(cbor2.loads(payload))} <= _KNOWN
    try:
        # It takes no other labels.
        _QUICK_JSON.decode(payload)
    except msgspec.MsgspecError:
        return set(chain.from_iterable(json.loads(payload))) <= _KNOWN
    return True


def _has_plain_labels(pack: Any) -> bool:
    """Tell whether all labels are SenML's own: cbor2 takes True for the label 1, and any tag behind unknown labels."""
    labels = list(chain.from_iterable(pack))
    return set(map(type, labels)) <= {int} and set(labels) <= _CBOR_LABELS.keys()


_LABELS = {name: label for label, name in _CBOR_LABELS.items()}


def _columns_of_dicts(pack: list[dict[str, Any]]) -> Columns:
    return _columns(pack, lambda name: name)


def _columns(pack: list[dict[Any, Any]], key: Callable[[str], Any]) -> Columns:
    labels = set().union(*pack) if pack else set()
    for label in labels:
        if type(label) is str and label.endswith("_"):
            raise SenmlMalformed(f"The field {label[:40]!a} ends in _ and is not known here: it must be understood.")
    for name in _UNSUPPORTED:
        if key(name) in labels:
            raise ValueUnsupported
    columns = {name: [record.get(key(name)) for record in pack] for name in (*_TEXTS, *_FLOATS, "bver")}
    for name, column in columns.items():
        if key(name) in labels:
            _check_column(name, column, pack, key(name))
    rows = [row for row, record in enumerate(pack) if any(key(name) in record for name in ("bn", "bt", "bu", "bv"))]
    bases = {row: Base(columns["bn"][row], columns["bu"][row], columns["bt"][row], columns["bv"][row]) for row in rows}
    return Columns(len(pack), columns["n"], columns["u"], columns["v"], columns["t"], bases, rows)


def _check_column(name: str, column: list[Any], pack: list[dict[Any, Any]], label: object) -> None:
    kinds = set(map(type, column))
    wanted = {str} if name in _TEXTS else {int} if name == "bver" else _NUMBERS
    if kinds - wanted - {type(None)} or column.count(None) != sum(label not in record for record in pack):
        raise SenmlMalformed(f"A field {name} is not {'a text' if name in _TEXTS else 'a number'}.")
    if name in _FLOATS:
        # A tagged bignum of CBOR is such an integer too: cbor2 writes smaller ones without the tag.
        if any(type(number) is int and abs(number) > _LARGEST_INTEGER for number in column):
            raise SenmlMalformed(f"A field {name} is an integer beyond 2^53, which would be rounded.")
        column[:] = [None if number is None else float(number) for number in column]
    if name == "bver":
        for version in set(column):
            _check_version(version)


def _check_version(version: int | None) -> None:
    if version is not None and not 1 <= version <= _HIGHEST_VERSION:
        raise SenmlMalformed(f"SenML version {version} is not known here; the highest is {_HIGHEST_VERSION}.")


def _decode_json_slowly(payload: bytes) -> list[dict[str, Any]]:
    try:
        pack = json.loads(payload.decode(), object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        if isinstance(error, SenmlMalformed):
            raise
        raise SenmlMalformed(f"The payload is not JSON: {error}"[:200]) from error
    if type(pack) is not list or not all(type(record) is dict for record in pack):
        raise SenmlMalformed("A SenML pack is a list of records.")
    return pack


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise SenmlMalformed("A field occurs twice in one record.")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise SenmlMalformed(f"{name} is not a number of JSON.")
