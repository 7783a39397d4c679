"""The readings of a SenML pack, one after the other, with the standard library alone. Pure.

For those who check what we deliver: the same rules as devices.senml, written a second time and plainly, so that the two
check each other. Units are left as the device wrote them.
"""

import json
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple, NoReturn

from devices.strict_cbor import CborRefused, decode_strictly

_LABELS = {-2: "bn", -3: "bt", -4: "bu", -5: "bv", 0: "n", 1: "u", 2: "v", 6: "t"}
_RELATIVE_BELOW = 2.0**28
_MICROS = 1_000_000
_MOST_RECORDS = 10_000


class SenmlRefused(ValueError):
    """str(error) says what is wrong, in a sentence."""


class Reading(NamedTuple):
    """time: microseconds since 1970, UTC."""

    name: str
    time: int
    value: float
    unit: str


@dataclass(slots=True)
class _Bases:
    bn: str = ""
    bu: str = ""
    bt: float = 0.0
    bv: float | None = None


def plain_readings(payload: bytes, *, is_cbor: bool, issued_at: int) -> list[Reading]:
    """issued_at: unix seconds. Raises SenmlRefused."""
    bases, readings = _Bases(), []
    for record in _records(payload, is_cbor=is_cbor):
        for name, kinds in (("bn", str), ("bu", str), ("bt", (int, float)), ("bv", (int, float))):
            if name in record:
                value = _typed(record, name, kinds)
                setattr(bases, name, value if kinds is str else float(value))
        readings.append(_reading(record, bases, issued_at))
    return readings


def _reading(record: dict[str, Any], bases: _Bases, issued_at: int) -> Reading:
    name = bases.bn + (_typed(record, "n", str) if "n" in record else "")
    unit = _typed(record, "u", str) if "u" in record else bases.bu
    value = float(_typed(record, "v", (int, float))) if "v" in record else None
    if bases.bv is not None:
        value = bases.bv + (value or 0.0)
    if value is None:
        raise SenmlRefused("A record has no value.")
    seconds = float(_typed(record, "t", (int, float))) if "t" in record else 0.0
    if bases.bt:
        seconds += bases.bt
    if not (isfinite(seconds) and isfinite(value)):
        raise SenmlRefused("A time or a value is not a finite number.")
    if seconds < _RELATIVE_BELOW:
        # RFC 8428, 4.5.3: relative to the moment at which the pack was issued.
        seconds += issued_at
    return Reading(name, round(seconds * _MICROS), value, unit)


def _typed(record: dict[str, Any], name: str, kinds: Any) -> Any:
    value = record[name]
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise SenmlRefused(f"A field {name} is not {'a text' if kinds is str else 'a number'}.")
    if isinstance(value, int) and abs(value) > 2**53:
        raise SenmlRefused(f"A field {name} is an integer beyond 2^53, which would be rounded.")
    return value


def _records(payload: bytes, *, is_cbor: bool) -> list[dict[str, Any]]:
    try:
        pack = decode_strictly(payload) if is_cbor else _json(payload)
    except (CborRefused, ValueError, RecursionError) as error:
        raise SenmlRefused(f"The payload cannot be read: {str(error)[:200]}") from error
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        raise SenmlRefused("A SenML pack is a list of records.")
    if len(pack) > _MOST_RECORDS:
        raise SenmlRefused(f"A pack has at most {_MOST_RECORDS:,} records.")
    if is_cbor:
        return [{_LABELS.get(label, str(label)): value for label, value in record.items()} for record in pack]
    return pack


def _json(payload: bytes) -> Any:
    return json.loads(payload.decode(), object_pairs_hook=_once, parse_constant=_refuse)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise SenmlRefused("A field occurs twice in one record.")
    return record


def _refuse(text: str) -> NoReturn:
    raise SenmlRefused(f"{text} is not a number of JSON.")
