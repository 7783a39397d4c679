"""Read a recording line by line into rows of readings."""

import csv
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from devices.agent.errors import MappingError
from devices.agent.mapping import WHITESPACE, Mapping, MeasureColumn, parse_offset

Reading = tuple[float, str, float, str]


@dataclass(frozen=True)
class Row:
    """The readings of one line: unix seconds, measure, value, unit. line_count: lines used up with it."""

    line_count: int
    readings: list[Reading]


@dataclass(frozen=True)
class _Layout:
    delimiter: str
    places: dict[str, int]

    def cells(self, line: str) -> list[str]:
        if self.delimiter == WHITESPACE:
            return line.split()
        return next(csv.reader([line], delimiter=self.delimiter, skipinitialspace=True), [])


class Recording:
    def __init__(self, path: Path, mapping: Mapping) -> None:
        try:
            self.lines = path.read_bytes().splitlines(keepends=True)
        except OSError as error:
            raise MappingError(f"{path} cannot be read: {error.strerror}.") from error
        self._mapping = mapping
        self._zone = parse_offset(mapping.utc_offset)
        self._missing = frozenset(mapping.missing)
        self._missing_numbers = frozenset(filter(None, map(_number, mapping.missing)))
        self._first = mapping.skip_lines + (mapping.columns is None)
        self._layout = self._find_layout()
        self._hashed, self._hash = 0, hashlib.sha256()

    def digest(self, line_count: int) -> str:
        """Return the SHA-256 of the first lines: the same file, or one that only grew, is known again by it.

        Asked for ever larger counts, it reads each line once.
        """
        if line_count < self._hashed:
            self._hashed, self._hash = 0, hashlib.sha256()
        self._hash.update(b"".join(self.lines[self._hashed : line_count]))
        self._hashed = line_count
        return self._hash.hexdigest()

    def rows(self, line_count: int) -> Iterator[Row]:
        """Yield the rows behind the lines that were used up. Raises MappingError with the line's number."""
        for place in range(max(line_count, self._first), len(self.lines)):
            text = self._text(place)
            cells = self._layout.cells(text)
            readings = self._readings(cells, place + 1) if text.strip() else []
            yield Row(place + 1, readings)

    def _text(self, place: int) -> str:
        try:
            return self.lines[place].decode("utf-8-sig" if place == 0 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise MappingError(f"Line {place + 1} is not UTF-8 text.") from error

    def _find_layout(self) -> _Layout:
        if len(self.lines) <= self._first:
            raise MappingError("The file has no line with readings.")
        first_line = self._text(self._mapping.skip_lines)
        delimiter = self._mapping.delimiter_character or _likely_delimiter(first_line)
        names = self._mapping.columns or _Layout(delimiter, {}).cells(first_line)
        places = {name.strip(): place for place, name in enumerate(names)}
        flags = [measure.flag for measure in self._mapping.measures if measure.flag]
        wanted = [*self._mapping.time_columns, *(measure.column for measure in self._mapping.measures), *flags]
        for name in wanted:
            if name not in places:
                raise MappingError(f"There is no column {name!r}. The file has: {', '.join(places)}.")
        return _Layout(delimiter, places)

    def _readings(self, cells: Sequence[str], line_number: int) -> list[Reading]:
        places = self._layout.places
        if len(cells) < len(places):
            raise MappingError(f"Line {line_number} has {len(cells)} columns instead of {len(places)}.")
        seconds = self._seconds(
            " ".join(cells[places[name]].strip() for name in self._mapping.time_columns), line_number
        )
        readings = []
        for measure in self._mapping.measures:
            if measure.flag and cells[places[measure.flag]].strip() not in measure.good_flags:
                continue
            value = self._value(cells[places[measure.column]].strip(), measure, line_number)
            if value is not None:
                readings.append((seconds, measure.name, value, measure.unit))
        return readings

    def _seconds(self, text: str, line_number: int) -> float:
        form = self._mapping.time_format
        try:
            if form == "unix":
                return float(text)
            when = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007 - a line below
        except ValueError as error:
            raise MappingError(f"Line {line_number}: the time {text!r} does not fit the format {form}.") from error
        return _unix_seconds(when if when.tzinfo else when.replace(tzinfo=self._zone))

    def _value(self, text: str, measure: MeasureColumn, line_number: int) -> float | None:
        if not text or text in self._missing:
            return None
        value = _number(text)
        if value is None or math.isinf(value):
            raise MappingError(
                f"Line {line_number}, column {measure.column!r}: {text!r} is not a number."
                " If it stands for no value, name it with --missing."
            )
        return None if math.isnan(value) or value in self._missing_numbers else value


def _likely_delimiter(line: str) -> str:
    counts = {mark: line.count(mark) for mark in (",", ";", "\t")}
    best = max(counts, key=lambda mark: counts[mark])
    return best if counts[best] else WHITESPACE


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unix_seconds(when: datetime) -> float:
    """Whole seconds stay whole: timestamp() of a time without a fraction is exact."""
    return when.astimezone(UTC).timestamp()
