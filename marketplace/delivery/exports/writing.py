"""Write the files of a table as one file in the form that was asked for, in memory that does not grow with them."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import polars
from django.core.files.storage import default_storage

from marketplace.delivery.exports.formats import Format
from marketplace.delivery.tables.projection import DEVICE, TIME, Column
from marketplace.delivery.windows import TableFile

# RFC 3339 with microseconds: what every one of our files can hold.
_INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"
# About a row group, as which they are read.
_PORTION_ROWS = 250_000
_TELL_SECONDS = 1
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"

Portions = Iterable[polars.DataFrame]
Sink = Callable[[polars.LazyFrame, Path], None]


@dataclass(frozen=True)
class Span:
    """Which part of the files is wanted: from start until before `until`, None where it is open; these columns."""

    start: datetime | None
    until: datetime | None
    columns: Sequence[Column]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def condition(self) -> polars.Expr:
        """Of fewer columns only the rows that hold one of them, as in a file that was cut."""
        wanted = polars.lit(value=True)
        if self.start is not None:
            wanted &= polars.col(TIME) >= self.start
        if self.until is not None:
            wanted &= polars.col(TIME) < self.until
        values = [polars.col(name).is_not_null() for name in self.names if name not in {TIME, DEVICE}]
        return wanted & polars.any_horizontal(values)

    def touches(self, file: TableFile) -> bool:
        is_after = self.start is not None and file.last_at is not None and file.last_at < self.start
        is_before = self.until is not None and file.first_at is not None and file.first_at >= self.until
        return not (is_after or is_before)

    def no_rows(self) -> polars.DataFrame:
        kinds = {"timestamp": polars.Datetime("us", "UTC"), "string": polars.String(), "double": polars.Float64()}
        return polars.DataFrame(schema={column.name: kinds[column.kind] for column in self.columns})


def write_export(
    target: Path, files: Sequence[TableFile], span: Span, form: Format, *, tell: Callable[[int], None]
) -> int:
    """Write the rows of the files in the order of time, and return how many. tell: told of each portion."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        rows = _rows_of(files, span, Path(folder), tell)
        if form in _SINKS:
            return _sink(target, rows, _SINKS[form], tell)
        count = 0

        def portions() -> Iterator[polars.DataFrame]:
            nonlocal count
            yield span.no_rows()
            for portion in rows.collect_batches(chunk_size=_PORTION_ROWS, maintain_order=True):
                count += portion.height
                yield portion
                tell(count)

        with target.open("wb") as opened:
            _WRITERS[form](opened, portions(), span)
        return count


def in_time(files: Sequence[TableFile]) -> Iterator[list[TableFile]]:
    """Put those together whose times overlap: the parts of a day. The others follow on each other."""
    parts: list[TableFile] = []
    for file in files:
        if parts and not any(_overlap(part, file) for part in parts):
            yield parts
            parts = []
        parts.append(file)
    if parts:
        yield parts


def _overlap(one: TableFile, other: TableFile) -> bool:
    """A file of no known time stands alone."""
    if one.first_at is None or one.last_at is None or other.first_at is None or other.last_at is None:
        return False
    return other.first_at <= one.last_at and one.first_at <= other.last_at


def _rows_of(files: Sequence[TableFile], span: Span, folder: Path, tell: Callable[[int], None]) -> polars.LazyFrame:
    """The rows in their order, read a few row groups at a time: of overlapping files only what is next of each."""
    if not files:
        return span.no_rows().lazy()
    runs = []
    for is_merged, groups in groupby(in_time(files), lambda parts: len(parts) > 1):
        paths = [[_local(part, folder, tell) for part in parts] for parts in groups]
        if is_merged:
            runs += [reduce(_merged, map(polars.scan_parquet, parts)) for parts in paths]
        else:
            runs.append(polars.scan_parquet([path for (path,) in paths]))
    return polars.concat(runs).filter(span.condition).select(span.names)


def _merged(rows: polars.LazyFrame, others: polars.LazyFrame) -> polars.LazyFrame:
    return rows.merge_sorted(others, key=[TIME, DEVICE])


def _local(file: TableFile, folder: Path, tell: Callable[[int], None]) -> Path:
    """Where a stored file lies on this machine; it is fetched when it lies elsewhere."""
    try:
        return Path(default_storage.path(file.path))
    except NotImplementedError:
        copy = folder / file.path.rpartition("/")[2]
        with default_storage.open(file.path) as source, copy.open("wb") as written:
            shutil.copyfileobj(source, written)
        tell(0)
        return copy


def _sink(target: Path, rows: polars.LazyFrame, sink: Sink, tell: Callable[[int], None]) -> int:
    """By the engine alone, which writes some rows while it reads the next; how far it is, is asked from here."""
    count = 0

    def counted(portion: polars.DataFrame) -> polars.DataFrame:
        nonlocal count
        count += portion.height
        return portion

    rows = rows.map_batches(counted, streamable=True)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(sink, rows, target)
        while wait([done], _TELL_SECONDS).not_done:
            tell(count)
        done.result()
    return count


def _sink_parquet(rows: polars.LazyFrame, target: Path) -> None:
    rows.sink_parquet(target, compression="zstd", statistics=True, maintain_order=True)


def _sink_csv(rows: polars.LazyFrame, target: Path) -> None:
    _with_text_times(rows).sink_csv(target, maintain_order=True)


def _sink_ndjson(rows: polars.LazyFrame, target: Path) -> None:
    _with_text_times(rows).sink_ndjson(target, maintain_order=True)


def _write_senml(target: BinaryIO, portions: Portions, span: Span) -> None:
    """One record a line; a pack is a list, so each line but the last ends in a comma."""
    target.write(b"[")
    is_first = True
    for rows in portions:
        if rows.is_empty():
            continue
        records = io.BytesIO()
        _records(rows, span).write_ndjson(records)
        target.write(b"\n" if is_first else b",\n")
        target.write(records.getvalue().removesuffix(b"\n").replace(b"\n", b",\n"))
        is_first = False
    target.write(b"\n]\n")


def _records(rows: polars.DataFrame, span: Span) -> polars.DataFrame:
    """Values of the same moment and device stay beside each other. No column of a table has a name with a space."""
    names = [name for name in span.names if name not in {TIME, DEVICE}]
    units = {column.name: column.unit for column in span.columns if column.kind == "double"}
    long = rows.with_row_index("row number").unpivot(
        names, index=["row number", TIME, DEVICE], variable_name="its name", value_name="its value"
    )
    return (
        long.filter(polars.col("its value").is_not_null())
        .sort("row number", maintain_order=True)
        .select(
            (polars.col(DEVICE) + "/").alias("bn"),
            polars.col("its name").alias("n"),
            polars.col("its name").replace_strict(units, return_dtype=polars.String()).alias("u"),
            (polars.col(TIME).dt.epoch("us") / 1_000_000).alias("t"),
            polars.col("its value").alias("v"),
        )
    )


def _write_arrow(target: BinaryIO, portions: Portions, span: Span) -> None:
    """One stream: the schema of the first portion, the batches of all, one end."""
    for number, rows in enumerate(portions):
        stream = io.BytesIO()
        rows.write_ipc_stream(stream, compat_level=polars.CompatLevel.oldest())
        content = stream.getvalue().removesuffix(_END_OF_STREAM)
        target.write(content if number == 0 else content[_schema_length(content) :])
    target.write(_END_OF_STREAM)


def _schema_length(stream: bytes) -> int:
    """A message is 0xFFFFFFFF, its metadata's length as a little-endian int32, and that metadata; a schema has no body.

    Source: Apache Arrow, Columnar Format, encapsulated message format.
    """
    return 8 + int.from_bytes(stream[4:8], "little")


def _with_text_times(rows: polars.LazyFrame) -> polars.LazyFrame:
    return rows.with_columns(polars.col(TIME).dt.to_string(_INSTANT))


_SINKS: dict[Format, Sink] = {
    Format.PARQUET: _sink_parquet,
    Format.CSV: _sink_csv,
    Format.NDJSON: _sink_ndjson,
}
_WRITERS: dict[Format, Callable[[BinaryIO, Portions, Span], None]] = {
    Format.SENML: _write_senml,
    Format.ARROW: _write_arrow,
}
