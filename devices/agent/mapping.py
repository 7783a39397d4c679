"""How the columns of a recording become measures: from the command line or from a TOML or JSON file."""

import json
import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

from devices.agent.errors import MappingError

WHITESPACE = "whitespace"
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t"}
_OFFSET = re.compile(r"([+-]?)(1[0-4]|0?\d)(?::?([0-5]\d))?")
_FILE_KEYS = {"delimiter", "skip_lines", "columns", "missing", "time", "measures"}
_TIME_KEYS = {"columns", "format", "utc_offset"}
_MEASURE_KEYS = {"column", "name", "unit", "flag", "good_flags"}


@dataclass(frozen=True)
class MeasureColumn:
    """flag: a column that says whether the value is good; good_flags: what it then holds."""

    column: str
    name: str
    unit: str
    flag: str = ""
    good_flags: tuple[str, ...] = ("0",)


@dataclass(frozen=True)
class Mapping:
    """columns: names for a file without a header line; None when the file has one.

    time_format: as of strptime, or "unix", or "iso". missing: texts that stand for no value.
    delimiter: one character, "whitespace", or "" to find out.
    """

    time_columns: tuple[str, ...]
    measures: tuple[MeasureColumn, ...]
    time_format: str = "iso"
    utc_offset: str = "+00:00"
    delimiter: str = ""
    skip_lines: int = 0
    columns: tuple[str, ...] | None = None
    missing: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.time_columns:
            raise MappingError("Say which column holds the time: --time COLUMN.")
        if not self.measures:
            raise MappingError('Say what a column means: --map "COLUMN=MEASURE:UNIT", once for each column.')
        names = [measure.name for measure in self.measures]
        if len(set(names)) < len(names):
            raise MappingError("Two columns have the same measure. Give each its own name.")
        if len(self.delimiter) > 1 and self.delimiter not in {WHITESPACE, *_DELIMITERS}:
            raise MappingError("The delimiter is one character, or comma, semicolon, tab, whitespace.")
        parse_offset(self.utc_offset)

    @property
    def delimiter_character(self) -> str:
        return _DELIMITERS.get(self.delimiter, self.delimiter)


def parse_offset(text: str) -> timezone:
    """Read an offset from UTC: -7, +5:30, 02:00, Z."""
    if text.upper() in {"Z", "UTC", "0"}:
        return timezone(timedelta(0))
    found = _OFFSET.fullmatch(text)
    if found is None:
        raise MappingError(f"{text!r} is not an offset from UTC such as -07:00 or +5:30.")
    sign, hours, minutes = found.groups()
    distance = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return timezone(-distance if sign == "-" else distance)


def parse_measure(text: str) -> MeasureColumn:
    """Read COLUMN=MEASURE:UNIT. The column's name may hold any character, = and : too."""
    column, equals, target = text.rpartition("=")
    name, colon, unit = target.rpartition(":")
    if not (equals and colon and column and name and unit):
        raise MappingError(f"{text!r} is not of the form COLUMN=MEASURE:UNIT, such as temp=air_temperature:Cel.")
    return MeasureColumn(column.strip(), name.strip(), unit.strip())


def read_mapping(path: Path) -> Mapping:
    """Read a mapping file. Its keys are those of docs/devices.md; a key that is not known is an error."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise MappingError(f"{path} cannot be read as a mapping: {error}") from error
    _check_keys(path, content, _FILE_KEYS)
    when = content.get("time", {})
    _check_keys(path, when, _TIME_KEYS)
    columns = content.get("columns")
    try:
        return Mapping(
            time_columns=tuple(when.get("columns", ())),
            time_format=when.get("format", "iso"),
            utc_offset=when.get("utc_offset", "+00:00"),
            measures=tuple(_measure(path, entry) for entry in content.get("measures", [])),
            delimiter=content.get("delimiter", ""),
            skip_lines=int(content.get("skip_lines", 0)),
            columns=None if columns is None else tuple(columns),
            missing=tuple(str(text) for text in content.get("missing", ())),
        )
    except (TypeError, AttributeError, KeyError) as error:
        raise MappingError(f"{path} is not a mapping as docs/devices.md describes it ({error}).") from error


def _measure(path: Path, entry: dict[str, Any]) -> MeasureColumn:
    _check_keys(path, entry, _MEASURE_KEYS)
    changes = {"good_flags": tuple(entry["good_flags"])} if "good_flags" in entry else {}
    return MeasureColumn(**{**entry, **changes})


def _check_keys(path: Path, found: Any, known: set[str]) -> None:
    if not isinstance(found, dict) or set(found) - known:
        raise MappingError(f"{path}: only {', '.join(sorted(known))} may stand here.")
