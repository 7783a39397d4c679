"""Resolve a SenML pack (RFC 8428, JSON or CBOR) to columns of readings. Pure; whole columns, no reading of its own.

Only numbers are taken. Times below 2**28 are relative to the moment at which the pack was issued (RFC 8428, 4.5.3).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devices.errors import (
    ReadingInFuture,
    SenmlMalformed,
    TooManyDays,
    TooManyReadings,
    UnitChanged,
    UnitUnknown,
)
from devices.limits import LONGEST_MEASURE_NAME
from devices.senml_columns import Columns, read_cbor, read_json
from devices.units import ucum_unit

MAX_RECORDS = 10_000
MAX_DAYS = 400
MAX_FUTURE_SECONDS = 300
MICROS = 1_000_000
_RELATIVE_BELOW = 2.0**28
_DAY_MICROS = 86_400 * MICROS
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9\-:./_]{{0,{LONGEST_MEASURE_NAME - 1}}}")


@dataclass(frozen=True, slots=True)
class Pack:
    """Readings as columns of equal length. units, unit_of: UCUM; times: microseconds since 1970, UTC."""

    names: list[str]
    values: NDArray[np.float64]
    times: NDArray[np.int64]
    unit_of: dict[str, str]

    @property
    def units(self) -> list[str]:
        return [self.unit_of[name] for name in self.names]


@dataclass(slots=True)
class _Bases:
    name: str = ""
    unit: str | None = None
    time: float = 0.0
    value: float | None = None


@dataclass(slots=True)
class _Resolved:
    names: list[str] = field(default_factory=list)
    units: list[str | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[NDArray[np.float64]] = field(default_factory=list)


def resolve_pack(payload: bytes, *, is_cbor: bool, issued_at: int) -> Pack:
    """Return the readings of a pack. issued_at: unix seconds.

    Raises: SenmlMalformed, ValueUnsupported, TooManyReadings, TooManyDays, UnitUnknown, UnitChanged, ReadingInFuture.
    """
    columns = read_cbor(payload) if is_cbor else read_json(payload)
    if not columns.size:
        raise SenmlMalformed("The SenML pack is empty.")
    if columns.size > MAX_RECORDS:
        raise TooManyReadings
    resolved = _Resolved()
    for start, end, bases in _segments(columns):
        _resolve_segment(columns, start, end, bases, resolved)
    unit_of = _ucum_units(resolved.names, resolved.units)
    values = np.array(resolved.values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise SenmlMalformed("A value is not a finite number.")
    return Pack(resolved.names, values, _absolute_micros(np.concatenate(resolved.times), issued_at), unit_of)


def _segments(columns: Columns) -> Iterator[tuple[int, int, _Bases]]:
    """Yield stretches of records under the same base fields; usually there is one."""
    bases = _Bases()
    starts = columns.base_rows if columns.base_rows[:1] == [0] else [0, *columns.base_rows]
    for start, end in zip(starts, [*starts[1:], columns.size], strict=True):
        base = columns.bases.get(start)
        if base is not None:
            bases.name = bases.name if base.name is None else base.name
            bases.unit = bases.unit if base.unit is None else base.unit
            bases.time = bases.time if base.time is None else base.time
            bases.value = bases.value if base.value is None else base.value
        yield start, end, bases


def _resolve_segment(columns: Columns, start: int, end: int, bases: _Bases, resolved: _Resolved) -> None:
    names: Sequence[str | None] = columns.names[start:end]
    if bases.name or None in names:
        names = [bases.name + (name or "") for name in names]
    resolved.names.extend(names)  # type: ignore[arg-type]  # No name is None any more.
    units = columns.units[start:end]
    if bases.unit is not None and None in units:
        units = [bases.unit if unit is None else unit for unit in units]
    resolved.units.extend(units)
    resolved.values.extend(_values(columns.values[start:end], bases.value, start))
    times = columns.times[start:end]
    if None in times:
        times = [time or 0.0 for time in times]
    # A lone t must not pass through an addition with a base that was never given: it stays bit for bit.
    seconds = np.array(times, dtype=np.float64)
    resolved.times.append(seconds + bases.time if bases.time else seconds)


def _values(values: list[float | None], base: float | None, start: int) -> list[float]:
    if base is not None:
        return [base + (value or 0.0) for value in values]
    if None in values:
        raise SenmlMalformed(f"Record {start + values.index(None)} has no value.")
    return values  # type: ignore[return-value]  # None was looked for just above.


def _ucum_units(names: list[str], units: list[str | None]) -> dict[str, str]:
    unit_of: dict[str, str] = {}
    for name, unit in set(zip(names, units, strict=True)):
        if not _NAME.fullmatch(name):
            raise SenmlMalformed(
                f"{name[:LONGEST_MEASURE_NAME]!a} is not a SenML name of at most {LONGEST_MEASURE_NAME} characters."
            )
        if unit is None:
            raise UnitUnknown(f"{name} has no unit. A plain number has the unit / in SenML.")
        ucum = ucum_unit(unit)
        if unit_of.setdefault(name, ucum) != ucum:
            raise UnitChanged(f"{name} has two units in one batch.")
    return unit_of


def _absolute_micros(seconds: NDArray[np.float64], issued_at: int) -> NDArray[np.int64]:
    if not np.isfinite(seconds).all():
        raise SenmlMalformed("A time is not a finite number.")
    absolute = np.where(seconds < _RELATIVE_BELOW, seconds + issued_at, seconds)
    if absolute.max() > issued_at + MAX_FUTURE_SECONDS:
        raise ReadingInFuture
    if absolute.min() < _RELATIVE_BELOW:
        raise SenmlMalformed("A time lies before July 1978.")
    micros = np.rint(absolute * MICROS).astype(np.int64)
    first, last = int(micros.min()) // _DAY_MICROS, int(micros.max()) // _DAY_MICROS
    if last - first >= MAX_DAYS and len(np.unique(micros // _DAY_MICROS)) > MAX_DAYS:
        raise TooManyDays
    return micros
