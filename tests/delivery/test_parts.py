"""Parts of a day: small files beside each other, put together when they are many or at rest."""

import io
from datetime import timedelta

import polars
import pytest
from django.utils import timezone

from marketplace.access.services import authorise
from marketplace.delivery.exports.writing import in_time
from marketplace.delivery.models import Segment
from marketplace.delivery.services import files_for, refresh_table
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.refresh import MOST_PARTS, PARTS_REST
from marketplace.delivery.tables.waiting import tables_to_refresh
from marketplace.delivery.windows import changes_for, newest_rows_from
from tests.builders_delivery import bearer, buy_token, day_start, make_stocked_listing, minutes
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def at(now):
    """Late enough in the day that everything here has been measured."""
    return now.replace(hour=20, minute=0, second=0, microsecond=0)


@pytest.fixture
def stocked(sara, ben, at):
    sender, listing = make_stocked_listing(sara, at, readings=minutes(day_start(at), 3))
    _, text = buy_token(listing, ben, at)
    return sender, listing, text


def rows_of(text, version, at):
    grant = authorise(token=text, at=at)
    return [row for file in files_for(grant, version=version) for row in read_rows(file.path).rows()]


def row_counts(version):
    return list(Segment.objects.at_version(version).in_order().values_list("row_count", flat=True))


def add_parts(stocked, at, count):
    sender, listing, _ = stocked
    for number in range(count):
        sender.send(minutes(day_start(at) + timedelta(hours=1 + number), 2), at)
        version = refresh_table(listing=listing, at=at).version
    return version


def test_new_rows_are_a_file_beside_the_others_and_are_put_together_when_they_are_many(stocked, at):
    assert add_parts(stocked, at, MOST_PARTS - 1) == MOST_PARTS
    assert row_counts(MOST_PARTS) == [3, *[2] * (MOST_PARTS - 1)]
    before = rows_of(stocked[2], MOST_PARTS, at)
    stocked[0].send(minutes(day_start(at) + timedelta(hours=12), 1), at)
    assert refresh_table(listing=stocked[1], at=at).version == MOST_PARTS + 1
    assert row_counts(MOST_PARTS + 1) == [len(before) + 1]
    # Whoever reads the version of before has its files.
    assert rows_of(stocked[2], MOST_PARTS, at) == before
    assert rows_of(stocked[2], MOST_PARTS + 1, at)[:-1] == before
    told = changes_for(authorise(token=stocked[2], at=at), first=2, last=MOST_PARTS + 1)
    assert [(file.version, kind.value, file.row_count) for kind, file in told] == [
        *((version, "add", 2) for version in range(2, MOST_PARTS + 1)),
        (MOST_PARTS + 1, "add", 1),
    ]


def test_parts_at_rest_are_put_together_and_nothing_is_told_of_it(stocked, at):
    version = add_parts(stocked, at, 2)
    _, listing, text = stocked
    before = rows_of(text, version, at)
    refresh_table(listing=listing, at=at + PARTS_REST - MINUTE)
    assert tables_to_refresh(at + PARTS_REST - MINUTE) == []
    rested = at + PARTS_REST
    assert tables_to_refresh(rested) == [listing.pk]
    assert refresh_table(listing=listing, at=rested).version == version + 1
    assert row_counts(version + 1) == [7]
    assert rows_of(text, version + 1, rested) == rows_of(text, version, rested) == before
    grant = authorise(token=text, at=rested)
    assert changes_for(grant, first=version + 1, last=version + 1) == []
    assert tables_to_refresh(rested + 2 * PARTS_REST) == []
    assert refresh_table(listing=listing, at=rested + 2 * PARTS_REST).version == version + 1


def test_a_row_that_changes_has_the_day_written_anew(stocked, at):
    sender, listing, text = stocked
    version = add_parts(stocked, at, 1)
    sender.send([(day_start(at), "air_temperature", 1.5)], at)
    assert refresh_table(listing=listing, at=at).version == version + 1
    assert row_counts(version + 1) == [5]
    assert rows_of(text, version + 1, at)[0] == (day_start(at), "device-1", 1.5)
    assert [row[2] for row in rows_of(text, version, at)].count(1.5) == 0


def test_figures_and_windows_are_of_all_parts_of_a_day(stocked, at):
    sender, listing, text = stocked
    # The second part holds what was measured before the first one's rows.
    sender.send(minutes(day_start(at) + 3 * MINUTE, 2), at)
    refresh_table(listing=listing, at=at)
    sender.send([(day_start(at) + timedelta(seconds=30), "air_temperature", 7.0)], at)
    version = refresh_table(listing=listing, at=at).version
    assert row_counts(version) == [3, 1, 2]
    grant = authorise(token=text, at=at)
    assert newest_rows_from(grant, 3) == day_start(at) + MINUTE + timedelta(microseconds=1)
    assert [len(parts) for parts in in_time(files_for(grant, version=version))] == [2, 1]
    segments = Segment.objects.current()
    assert sum(segments.values_list("reading_count", flat=True)) == 6
    assert sum(segments.values_list("signed_count", flat=True)) == 6


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_download_stays_in_the_order_of_time(sara, ben, form, client):
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at, readings=minutes(day_start(at, 1), 3))
    token, text = buy_token(listing, ben, at)
    sender.send([(day_start(at, 1) + timedelta(seconds=30), "air_temperature", 7.0)], at)
    assert row_counts(refresh_table(listing=listing, at=at).version) == [3, 1]
    address = f"/data/{token.purchase.public_id}/readings?format={form}"
    answer = client.get(address, headers=bearer(text))
    content = io.BytesIO(b"".join(answer.streaming_content))
    found = polars.read_csv(content) if form == "csv" else polars.read_parquet(content)
    assert found["air_temperature"].to_list() == [20.0, 7.0, 20 + 1 / 7, 20 + 2 / 7]


@pytest.mark.django_db(transaction=True)
def test_parts_put_together_by_many_at_once_are_there_once(stocked, at):
    version = add_parts(stocked, at, 2)
    listing = stocked[1]
    tables = at_once([lambda: refresh_table(listing=listing, at=at + PARTS_REST) for _ in range(4)])
    assert [getattr(table, "version", table) for table in tables] == [version + 1] * 4
    assert row_counts(version + 1) == [7]
