"""A download is written a portion at a time, in the table's order, whatever its columns are called."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import polars
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.consents.models import Resolution
from marketplace.delivery.exports import writing
from marketplace.delivery.exports.formats import Format
from marketplace.delivery.exports.writing import Span, write_export
from marketplace.delivery.tables.files import parquet_bytes
from marketplace.delivery.tables.projection import Column
from marketplace.delivery.windows import TableFile
from tests.builders_delivery import bearer, buy_token, day_start, make_stocked_listing

START = datetime(2026, 5, 1, tzinfo=UTC)
COLUMNS = [
    Column("time", "", "", "timestamp"),
    Column("device", "", "", "string"),
    Column("air_temperature", "air_temperature", "Cel", "double"),
]
# What our own steps on the way call things, and what the market's forms do.
AWKWARD = ["v", "n", "u", "t", "bn", "row", "place", "mean", "value", "name", "sequence", "len", "time", "Device"]


def stored(rows: polars.DataFrame) -> TableFile:
    content = parquet_bytes(rows)
    path = default_storage.save("tables/aa/one.parquet", ContentFile(content))
    times = rows["time"]
    return TableFile(uuid4(), path, rows.height, len(content), b"", times[0], times[-1], 1, START)


def rows_of(minutes: list[int], device: str) -> polars.DataFrame:
    times = [START + timedelta(minutes=minute) for minute in minutes]
    frame = {"time": times, "device": [device] * len(times), "air_temperature": [minute / 7 for minute in minutes]}
    return polars.DataFrame(frame, schema_overrides={"time": polars.Datetime("us", "UTC")})


def times_of(rows: polars.DataFrame) -> list[tuple[int, str]]:
    return [((at - START) // timedelta(minutes=1), device) for at, device, _ in rows.rows()]


@pytest.mark.parametrize("form", [Format.PARQUET, Format.ARROW])
def test_files_of_overlapping_times_become_one_in_order(tmp_path: Path, form: Format) -> None:
    files = [
        stored(rows_of([0, 2, 4, 9], "device-1")),
        stored(rows_of([2, 3, 9], "device-2")),
        stored(rows_of([1, 5], "device-1")),
        stored(rows_of([20, 21], "device-1")),
        stored(rows_of([22], "device-1")),
        stored(rows_of([30, 40], "device-2")),
        stored(rows_of([30, 35], "device-1")),
    ]
    span = Span(START + timedelta(minutes=1), START + timedelta(minutes=40), COLUMNS)
    target = tmp_path / "target"
    count = write_export(target, files, span, form, tell=lambda _: None)
    read = polars.read_parquet if form is Format.PARQUET else polars.read_ipc_stream
    merged = [(1, "1"), (2, "1"), (2, "2"), (3, "2"), (4, "1"), (5, "1"), (9, "1"), (9, "2")]
    merged += [(20, "1"), (21, "1"), (22, "1"), (30, "1"), (30, "2"), (35, "1")]
    assert times_of(read(io.BytesIO(target.read_bytes()))) == [(minute, f"device-{which}") for minute, which in merged]
    assert count == len(merged)


@pytest.mark.parametrize("form", list(Format))
def test_it_tells_how_far_it_is(tmp_path: Path, form: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_TELL_SECONDS", 0.001)
    monkeypatch.setattr(writing, "_PORTION_ROWS", 10_000)
    many = rows_of(list(range(400_000)), "device-1")
    told: list[int] = []
    count = write_export(tmp_path / "target", [stored(many)], Span(None, None, COLUMNS), form, tell=told.append)
    assert count == many.height
    assert len(told) > 3
    assert sorted(told) == told
    assert 0 <= told[0] <= told[-1] <= count


def test_a_portion_that_cannot_be_told_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_TELL_SECONDS", 0.001)

    def fail(_: int) -> None:
        raise ConnectionError

    many = stored(rows_of(list(range(400_000)), "device-1"))
    for form in Format:
        with pytest.raises(ConnectionError):
            write_export(tmp_path / form, [many], Span(None, None, COLUMNS), form, tell=fail)


@pytest.mark.django_db
@pytest.mark.parametrize("resolution", [Resolution.RAW, Resolution.HOUR])
def test_fields_may_be_called_anything(client: Client, sara: User, ben: User, resolution: Resolution) -> None:
    at = timezone.now()
    start = day_start(at, 2)
    readings = [
        (start + timedelta(hours=hour), name, hour + number / 7)
        for hour in range(3)
        for number, name in enumerate(AWKWARD)
    ]
    _, listing = make_stocked_listing(sara, at, readings=readings, fields=AWKWARD, resolution=resolution)
    token, text = buy_token(listing, ben, at)
    names = [*AWKWARD[:-2], "time_2", "Device_2"]
    wanted = [[hour + number / 7 for number in range(len(AWKWARD))] for hour in range(3)]
    for form in Format:
        address = f"/data/{token.purchase.public_id}/readings?format={form}"
        content = b"".join(client.get(address, headers=bearer(text)))
        assert values_of(form, content, names) == wanted, form


def values_of(form: Format, content: bytes, names: list[str]) -> list[list[float]]:
    if form is Format.CSV:
        return [[float(row[name]) for name in names] for row in csv.DictReader(io.StringIO(content.decode()))]
    if form is Format.NDJSON:
        return [[json.loads(line)[name] for name in names] for line in content.splitlines()]
    if form is Format.SENML:
        records = json.loads(content)
        times = sorted({record["t"] for record in records})
        found = {(record["t"], record["n"]): record["v"] for record in records}
        return [[found[at, name] for name in names] for at in times]
    read = polars.read_parquet if form is Format.PARQUET else polars.read_ipc_stream
    return [list(row) for row in read(io.BytesIO(content)).select(names).rows()]
