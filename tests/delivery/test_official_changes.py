"""The change feed, as the official Delta Sharing client reads it in both forms."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.delivery.services import refresh_table
from tests.builders_delivery import day_start, make_stocked_listing, minutes
from tests.delivery.official import microseconds, reader_of

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("use_delta_format", [False, True])
def test_loads_what_each_version_brought_and_changed(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path, use_delta_format: bool
) -> None:
    at = timezone.now().replace(microsecond=0)
    start = day_start(at, 1) + timedelta(hours=10)
    sent = minutes(start, 3)
    sender, listing = make_stocked_listing(sara, at, readings=sent)
    reader = reader_of(listing, ben, at, live_server, tmp_path)
    # The same minute again with another value, a new one on the same day, and one of another day.
    second = at + timedelta(seconds=2)
    sender.send([(start + MINUTE, "air_temperature", 1 / 3), (start + 5 * MINUTE, "air_temperature", 2 / 3)], second)
    sender.send([(start - timedelta(days=1), "air_temperature", 1 / 7)], second)
    assert refresh_table(listing=listing, at=second).version == 2

    changes = reader.changes(starting_version=1, use_delta_format=use_delta_format)

    first_ms, second_ms = (microseconds(moment) // 1000 for moment in (at, second))
    expected = [(1, "insert", time, value, first_ms) for time, _, value in sent]
    expected += [
        (2, "delete", start + MINUTE, float("nan"), second_ms),
        (2, "insert", start - timedelta(days=1), 1 / 7, second_ms),
        (2, "insert", start + MINUTE, 1 / 3, second_ms),
        (2, "insert", start + 5 * MINUTE, 2 / 3, second_ms),
    ]
    assert changes == [
        (version, kind, microseconds(time), "device-1", [repr(value)], commit_ms)
        for version, kind, time, value, commit_ms in expected
    ]
    assert Read.objects.get().row_count == len(expected)
    assert reader.changes(starting_version=2, use_delta_format=use_delta_format) == changes[3:]
    assert reader.changes(starting_version=1, ending_version=1, use_delta_format=use_delta_format) == changes[:3]
    since = (at + timedelta(seconds=1)).isoformat()
    assert reader.changes(starting_timestamp=since, use_delta_format=use_delta_format) == changes[3:]
    assert Read.objects.count() == 4
