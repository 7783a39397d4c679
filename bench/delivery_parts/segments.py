"""Building a table's files from stored readings: a whole refresh of an empty table, on one processor."""

import hashlib
import io
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from bench.rows import Row
from devices.frames import SCHEMA
from devices.models import Device, ReadingFile
from marketplace.accounts.models import User
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.files import delete_file, read_rows
from marketplace.listings.models import Listing
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, make_signing_device

DAYS, MOMENTS, ROUNDS = 8, 250_000, 7
FIELDS = ["air_temperature", "humidity"]
READINGS = DAYS * MOMENTS * len(FIELDS)
READINGS_A_BATCH = 1_000
GOAL_READINGS_A_SECOND = 1_000_000
WIDTHS = {"raw": "as they were sent", "1h": "as averages of an hour"}


def run() -> Iterator[Row]:
    sara = User.objects.create_user("sara-of-segments@example.test")
    at = timezone.now()
    sender = make_signing_device(sara, at)
    device = sender.device
    start = datetime(at.year, at.month, at.day, tzinfo=UTC) - timedelta(days=DAYS + 1)
    # By what it sends itself its measures are known.
    sender.send([(start - timedelta(hours=1), field, 20.5) for field in FIELDS], at)
    for number in range(DAYS):
        store_day(device, start + timedelta(days=number), number)
    Device.objects.filter(pk=device.pk).update(last_reading_at=start + timedelta(days=DAYS))
    for width, name in WIDTHS.items():
        consent = make_consent(sara, at, devices=[device], fields=FIELDS, resolution=width)
        listing = make_listing(sara, at, consent=consent, plans=[FREE])
        refresh_table(listing=listing, at=at)
        check(listing, device, width)
        row_count = rows_in(listing)
        seconds = []
        with one_processor():
            for _ in range(ROUNDS):
                empty(listing)
                started = time.perf_counter()
                refresh_table(listing=listing, at=at)
                seconds.append(time.perf_counter() - started)
                if rows_in(listing) != row_count:
                    raise AssertionError("A refresh left rows out.")
        rate = READINGS / statistics.median(seconds)
        note = f"{rate / 1e6:.2f} million a second, slowest {READINGS / max(seconds) / 1e6:.2f}; 1 asked for"
        yield Row(f"readings made into segments, {name}, one processor", rate / GOAL_READINGS_A_SECOND, 1.0, note)


def store_day(device: Device, day: datetime, number: int) -> None:
    """As the resolver leaves it: measure by measure in the order of time, values with all of a double's digits."""
    micros = np.arange(MOMENTS) * (86_400_000_000 // MOMENTS) + int(day.timestamp()) * 1_000_000
    frames = [
        polars.DataFrame(
            {
                "name": polars.Series([field]).new_from_index(0, MOMENTS),
                "time": polars.Series(micros).cast(polars.Datetime("us", "UTC")),
                "value": 20 + np.random.default_rng([number, place]).normal(size=MOMENTS).cumsum() / 100,
                "unit": polars.Series(["Cel" if place == 0 else "%RH"]).new_from_index(0, MOMENTS),
                "sequence": polars.Series(np.arange(MOMENTS) * len(FIELDS) // READINGS_A_BATCH + number * 1_000 + 2),
            },
            schema=SCHEMA,
        )
        for place, field in enumerate(FIELDS)
    ]
    content = io.BytesIO()
    polars.concat(frames).write_parquet(content, compression="zstd")
    path = default_storage.save(f"readings/{device.public_id}/{number}.parquet", ContentFile(content.getvalue()))
    ReadingFile.objects.create(
        device=device,
        day=day.date(),
        path=path,
        row_count=MOMENTS * len(FIELDS),
        sha256=hashlib.sha256(content.getvalue()).digest(),
        updated_at=timezone.now(),
    )


def check(listing: Listing, device: Device, width: str) -> None:
    """Another engine makes the same rows of the stored files."""
    step = "time" if width == "raw" else "time_bucket(INTERVAL 1 hour, time)"
    values = ", ".join(f"avg(value) FILTER (name = '{field}') AS {field}" for field in FIELDS)
    question = f"SELECT {step} AS time, {values} FROM read_parquet($1) GROUP BY 1 ORDER BY 1"
    stored = [default_storage.path(file.path) for file in ReadingFile.objects.filter(device=device)]
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        expected = engine.execute(question, [stored]).fetchnumpy()
    segments = Segment.objects.current().filter(table__listing=listing).in_order()
    rows = polars.concat([read_rows(segment.path) for segment in segments])
    times = np.asarray(expected["time"]).astype("datetime64[us]")
    if not np.array_equal(rows["time"].to_numpy(), times):
        raise AssertionError("The segments have other times than the stored readings.")
    for field in FIELDS:
        # A raw value is the average of itself; sums of many are as exact as their order.
        if not np.allclose(rows[field].to_numpy(), expected[field], rtol=0 if width == "raw" else 1e-12, atol=0):
            raise AssertionError(f"The segments have other values of {field} than the stored readings.")


def rows_in(listing: Listing) -> int:
    segments = Segment.objects.current().filter(table__listing=listing)
    return sum(segments.values_list("row_count", flat=True))


def empty(listing: Listing) -> None:
    """As before the first refresh, the figures apart."""
    segments = Segment.objects.filter(table__listing=listing)
    for path in segments.values_list("path", flat=True):
        delete_file(path)
    segments.delete()
    DeliveryTable.objects.filter(listing=listing).update(version=0, source_stamp="", refreshed_at=None)


@contextmanager
def one_processor() -> Iterator[None]:
    """All threads, those of the engine as well."""
    before = os.sched_getaffinity(0)
    try:
        pin({min(before)})
        yield
    finally:
        pin(before)


def pin(processors: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), processors)
