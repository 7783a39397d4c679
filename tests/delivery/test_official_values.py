"""What the official client loads, held against the same calculated by DuckDB from what the device sent."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from tests.builders_delivery import Reading, day_start, make_stocked_listing
from tests.delivery.official import microseconds, reader_of

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
STEPS = {"1min": "1 minute", "15min": "15 minutes", "1h": "1 hour", "1d": "1 day"}
FIELDS = ["air_temperature", "humidity"]


def recorded(start: Any) -> list[Reading]:
    """Three days of readings at odd moments, with gaps; sums of these values are exact in whatever order."""
    readings: list[Reading] = []
    for number in range(2_500):
        at = start + number * timedelta(seconds=97, microseconds=250_001)
        readings.append((at, "air_temperature", 20 + (number * number % 97) / 64))
        if number % 3:
            readings.append((at, "humidity", 50 + (number % 31) / 8))
    return readings


def calculated(sent: list[Reading], resolution: str, folder: Path) -> list[tuple[Any, ...]]:
    """Return (microseconds, temperature, humidity) in order of time."""
    path = folder / "sent.parquet"
    times = [microseconds(at) for at, _, _ in sent]
    polars.DataFrame({"t": times, "name": [one[1] for one in sent], "value": [one[2] for one in sent]}).write_parquet(
        path
    )
    moment = "make_timestamp(t)"
    bucket = moment if resolution == "raw" else f"time_bucket(INTERVAL '{STEPS[resolution]}', {moment})"
    averages = ", ".join(f"avg(value) FILTER (name = '{field}')" for field in FIELDS)
    sql = f"SELECT epoch_us({bucket}) AS bucket, {averages} FROM read_parquet(?) GROUP BY bucket ORDER BY bucket"
    with duckdb.connect() as database:
        return database.execute(sql, [str(path)]).fetchall()


def text(value: float | None) -> str:
    return "nan" if value is None else repr(value)


@pytest.mark.parametrize("resolution", ["raw", *STEPS])
def test_values_are_the_sources_to_the_last_digit(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path, resolution: str
) -> None:
    at = timezone.now()
    sent = recorded(day_start(at, 4) + timedelta(hours=5))
    sent = [(one[0].replace(microsecond=one[0].microsecond // 1000 * 1000), *one[1:]) for one in sent]
    _, listing = make_stocked_listing(sara, at, readings=sent, fields=FIELDS, resolution=resolution)

    loaded = reader_of(listing, ben, at, live_server, tmp_path).load()

    values = (loaded["values"][field] for field in FIELDS)
    assert loaded["columns"] == ["time", "device", *FIELDS]
    found = sorted(zip(loaded["times"], *values, strict=True))
    assert found == [
        (time, text(first), text(second)) for time, first, second in calculated(sent, resolution, tmp_path)
    ]
