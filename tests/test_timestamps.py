"""What the database says of a moment is what Python gets, and as quickly as it can."""

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest
from django.db import DataError, connection

from marketplace.timestamps import UtcLoader

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 10, 30, 22, 30, tzinfo=UTC),
        datetime(2026, 10, 30, 22, 30, 0, 120_000, tzinfo=UTC),
        datetime(2026, 10, 30, 22, 30, 59, 999_999, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_a_moment_comes_back_as_it_was(moment: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [moment])
        (read,) = cursor.fetchone()
    assert (read, read.tzinfo) == (moment, UTC)


@pytest.mark.parametrize("text", ["infinity", "12000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC"])
def test_a_moment_that_python_has_no_room_for_is_refused_by_the_driver(text: str) -> None:
    with connection.cursor() as cursor, pytest.raises(DataError):
        cursor.execute("SELECT %s::timestamptz", [text])
        cursor.fetchone()


def test_the_readers_of_a_zone_other_than_utc_agree() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Kathmandu'")
        cursor.execute("SELECT '2026-03-29 02:30:00+00'::timestamptz")
        assert cursor.fetchone() == (datetime(2026, 3, 29, 2, 30, tzinfo=UTC),)


def test_connections_have_the_quick_reader() -> None:
    with connection.cursor():
        loader = connection.connection.adapters.get_loader(
            psycopg.postgres.types["timestamptz"].oid, psycopg.pq.Format.TEXT
        )
    assert loader is UtcLoader
