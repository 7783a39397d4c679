from datetime import UTC, datetime, timedelta

import polars
import pytest

from devices.frames import SCHEMA
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.delivery.tables.projection import (
    Column,
    column_names,
    describe_table,
    due_until,
    next_due_at,
    project,
)
from tests.builders import make_consent
from tests.builders_delivery import make_signing_device

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
THIRD = 1 / 3

TABLE_SCHEMA = {
    "time": polars.Datetime("us", "UTC"),
    "device": polars.String(),
    "a": polars.Float64(),
    "b": polars.Float64(),
}


def readings(*rows: tuple[int, str, float]) -> polars.DataFrame:
    """Rows of (seconds after AT, name, value)."""
    return polars.DataFrame(
        [(name, AT + timedelta(seconds=second), value, "Cel", 1) for second, name, value in rows],
        schema=SCHEMA,
        orient="row",
    )


def consent_of(resolution: str, delay_seconds: int = 0, fields: tuple[str, ...] = ("a", "b")) -> Consent:
    return Consent(fields=list(fields), resolution=resolution, delay_seconds=delay_seconds)


def test_raw_rows_are_wide_and_keep_every_digit() -> None:
    rows = project(readings((0, "a", THIRD), (0, "b", 5e-324), (1, "a", 1e300)), consent_of("raw"), "device-1")
    assert rows.rows() == [(AT, "device-1", THIRD, 5e-324), (AT + timedelta(seconds=1), "device-1", 1e300, None)]
    assert rows.schema == TABLE_SCHEMA


def test_columns_follow_the_consent_whatever_order_the_device_sends_in() -> None:
    rows = project(readings((0, "a", 1.0), (0, "b", 2.0)), consent_of("raw", fields=("b", "a")), "device-1")
    assert rows.columns == ["time", "device", "b", "a"]
    assert rows.rows() == [(AT, "device-1", 2.0, 1.0)]


@pytest.mark.parametrize(
    ("resolution", "start"),
    [
        ("1min", AT.replace(second=0)),
        ("15min", AT.replace(minute=15, second=0)),
        ("1h", AT.replace(minute=0, second=0)),
        ("1d", AT.replace(hour=0, minute=0, second=0)),
    ],
)
def test_averages_are_named_by_their_buckets_start(resolution: str, start: datetime) -> None:
    rows = project(readings((0, "a", 1.0), (1, "a", 2.0), (2, "b", 9.0)), consent_of(resolution), "device-1")
    assert rows.rows() == [(start, "device-1", 1.5, 9.0)]


def test_no_readings_make_an_empty_table_of_the_same_shape() -> None:
    for resolution in ("raw", "1h"):
        rows = project(readings(), consent_of(resolution), "device-1")
        assert rows.is_empty()
        assert rows.schema == TABLE_SCHEMA


def test_column_names_are_safe_and_unique_without_regard_to_case() -> None:
    fields = ["air.temp", "air-temp", "AIR TEMP", "time", "Device", "größe", "ok_1"]
    assert list(column_names(fields).values()) == [
        "air_temp",
        "air_temp_2",
        "AIR_TEMP_3",
        "time_2",
        "Device_2",
        "gr__e",
        "ok_1",
    ]


def test_nothing_is_held_back_of_raw_readings_without_a_delay() -> None:
    assert due_until(consent_of("raw"), AT) is None


@pytest.mark.parametrize(
    ("resolution", "delay_seconds", "due"),
    [
        ("1min", 0, AT.replace(second=0)),
        ("1h", 0, AT.replace(minute=0, second=0)),
        ("1d", 0, AT.replace(hour=0, minute=0, second=0)),
        ("raw", 60, AT.replace(minute=25, second=0)),
        ("raw", 3600, AT.replace(hour=8, minute=15, second=0)),
        ("raw", 86400, AT.replace(day=13, minute=0, second=0)),
        ("1h", 60, AT.replace(minute=0, second=0)),
        ("1min", 86400, AT.replace(day=13, minute=0, second=0)),
    ],
)
def test_only_whole_buckets_after_the_delay_are_due(resolution: str, delay_seconds: int, due: datetime) -> None:
    consent = consent_of(resolution, delay_seconds)
    assert due_until(consent, AT) == due
    moved = due_until(consent, next_due_at(consent, due))
    assert moved is not None
    assert moved > due
    assert due_until(consent, next_due_at(consent, due) - timedelta(microseconds=1)) == due


@pytest.mark.django_db
def test_describes_the_table_with_units(sara: User, now: datetime) -> None:
    device = make_signing_device(sara, now)
    device.send([(now, "air_temperature", 1.0), (now, "humidity", 2.0)], now)
    consent = make_consent(sara, now, devices=[device.device], fields=["humidity", "air_temperature"])
    assert describe_table(consent) == [
        Column("time", "", "", "timestamp"),
        Column("device", "", "", "string"),
        Column("humidity", "humidity", "%", "double"),
        Column("air_temperature", "air_temperature", "Cel", "double"),
    ]
