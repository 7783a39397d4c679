"""Read a downloaded table row by row: CSV, NDJSON or SenML JSON, as our own doors write them. Pure.

Strict on purpose: what a program of another make might read in another way is refused, with the line's number.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any, BinaryIO, NoReturn

TIME, DEVICE = "time", "device"
LONGEST_LINE = 100_000
# Forms that are not read here, by how their files begin.
PARQUET, ARROW = "Parquet file", "Arrow stream"
_BEGINNINGS = {b"PAR1": PARQUET, b"\xff\xff\xff\xff": ARROW}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?(e[+-]?[0-9]{1,3})?")
CSV, NDJSON, SENML = "CSV", "NDJSON", "SenML JSON"


class TableMalformed(ValueError):
    """str(error) says what is wrong and in which line."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """line: where it stands in the file, from 1. time: microseconds since 1970, UTC. values: None where empty."""

    line: int
    time: int
    device: str
    values: dict[str, float | None]


def form_not_read(source: BinaryIO) -> str | None:
    """Return the form of a file that is good but not read here. Leaves it at its beginning."""
    start = source.read(4)
    source.seek(0)
    return _BEGINNINGS.get(start)


def read_table(source: BinaryIO) -> tuple[str, Iterator[TableRow]]:
    """Return the format's name and the rows. Raises TableMalformed, now or while the rows are read."""
    first = _next_line(source, 1)
    if first is None:
        raise TableMalformed("The download is empty.")
    if first.startswith("{"):
        return NDJSON, _ndjson_rows(source, first)
    if first.startswith("["):
        return SENML, _senml_rows(source, first)
    return CSV, _csv_rows(source, first)


def instant_text(micros: int) -> str:
    """RFC 3339, with as many digits as there are."""
    text = (_EPOCH + timedelta(microseconds=micros)).isoformat().removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "Z"


def _csv_rows(source: BinaryIO, first: str) -> Iterator[TableRow]:
    header = first.split(",")
    if header[:2] != [TIME, DEVICE] or len(set(header)) != len(header):
        raise TableMalformed("Line 1: a CSV begins with the columns time and device, and has each column once.")
    for line, text in _lines(source, 2):
        cells = text.split(",")
        if len(cells) != len(header):
            raise TableMalformed(f"Line {line}: there are {len(cells)} cells under {len(header)} columns.")
        values = {name: _cell(cell, line) if cell else None for name, cell in zip(header[2:], cells[2:], strict=True)}
        yield TableRow(line, _micros(cells[0], line), cells[1], values)


def _ndjson_rows(source: BinaryIO, first: str) -> Iterator[TableRow]:
    names: set[str] = set()
    for line, text in _and_first(first, source):
        row = _json_object(text, line)
        names = names or set(row)
        if set(row) != names:
            raise TableMalformed(f"Line {line}: this row has other columns than those before it.")
        time, device = row.pop(TIME, None), row.pop(DEVICE, None)
        if not isinstance(time, str) or not isinstance(device, str):
            raise TableMalformed(f"Line {line}: a row has a time and a device.")
        values = {name: None if value is None else _float(value, line) for name, value in row.items()}
        yield TableRow(line, _micros(time, line), device, values)


def _senml_rows(source: BinaryIO, first: str) -> Iterator[TableRow]:
    """One record a line, and a row for each: {"bn": "<device>/", "n": column, "t": unix seconds, "v": number}."""
    is_over = False
    for line, text in _and_first(first.removeprefix("["), source):
        if is_over:
            raise TableMalformed(f"Line {line}: it stands behind the end of the list.")
        is_over = text.endswith("]")
        bare = text.removesuffix("]").removesuffix(",")
        if bare:
            yield _senml_row(_json_object(bare, line), line)
    if not is_over:
        raise TableMalformed("The list has no end, so the file is not whole.")


def _senml_row(record: dict[str, Any], line: int) -> TableRow:
    name, time = record.get("n"), record.get("t", record.get("bt"))
    name = f"{record.get('bn', '')}{name}" if isinstance(name, str) else ""
    device, separator, column = name.partition("/")
    if not separator or not column or time is None or "v" not in record:
        raise TableMalformed(f"Line {line}: a record has a name of device and column, a time and a value.")
    return TableRow(line, round(_float(time, line) * 1_000_000), device, {column: _float(record["v"], line)})


def _and_first(first: str, source: BinaryIO) -> Iterator[tuple[int, str]]:
    yield 1, first
    yield from _lines(source, 2)


def _lines(source: BinaryIO, number: int) -> Iterator[tuple[int, str]]:
    while (text := _next_line(source, number)) is not None:
        yield number, text
        number += 1


def _next_line(source: BinaryIO, number: int) -> str | None:
    encoded = source.readline(LONGEST_LINE + 1)
    if not encoded:
        return None
    if len(encoded) > LONGEST_LINE:
        raise TableMalformed(f"Line {number} has more than {LONGEST_LINE:,} bytes.")
    try:
        text = encoded.decode()
    except UnicodeDecodeError as error:
        raise TableMalformed(f"Line {number} is not UTF-8.") from error
    if not text.endswith("\n") and not text.endswith("]"):
        raise TableMalformed(f"Line {number}: the file ends within a line, so it is not whole.")
    return text.removesuffix("\n").removesuffix("\r")


def instant_micros(text: str) -> int:
    """Return microseconds since 1970 of an instant in RFC 3339, UTC. Raises TableMalformed."""
    if not _INSTANT.fullmatch(text) or not text.isascii():
        raise TableMalformed(f"{text[:40]!a} is not a time in RFC 3339, UTC.")
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise TableMalformed(f"{text[:40]!a} is no time.") from error
    return (at - _EPOCH) // timedelta(microseconds=1)


def _micros(text: str, line: int) -> int:
    try:
        return instant_micros(text)
    except TableMalformed as error:
        raise TableMalformed(f"Line {line}: {error}") from error


def _number(text: str) -> float:
    """Read a number that is written with as many digits as tell it from others, and no more. Raises ValueError."""
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!a} is not a number.")
    value = float(text)
    if not isfinite(value) or Decimal(repr(value)) != Decimal(text):
        raise ValueError(f"{text[:40]!a} is not the shortest way to write its value.")
    return value


def _cell(text: str, line: int) -> float:
    try:
        return _number(text)
    except ValueError as error:
        raise TableMalformed(f"Line {line}: {error}") from error


def _float(value: Any, line: int) -> float:
    if not isinstance(value, float):
        raise TableMalformed(f"Line {line}: {value!a:.40} is not a number.")
    return value


def _json_object(text: str, line: int) -> dict[str, Any]:
    try:
        row = json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise TableMalformed(f"Line {line} is not JSON as our doors write it: {str(error)[:100]}") from error
    if not isinstance(row, dict):
        raise TableMalformed(f"Line {line} is no JSON object.")
    return row


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("A name stands twice in one object.")
    return row


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number.")
