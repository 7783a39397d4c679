from datetime import UTC, datetime, timedelta

import polars
import pytest

from marketplace.accounts.models import User
from marketplace.delivery.services import listing_series, preview_rows, refresh_table, sample_rows
from marketplace.delivery.tables.quality import series_points
from marketplace.listings.models import ListingQuality
from tests.builders import make_consent
from tests.builders_delivery import day_start, make_signing_device, make_stocked_listing, minutes

pytestmark = pytest.mark.django_db


def test_a_preview_shows_the_newest_rows_that_would_be_delivered(sara: User, now: datetime) -> None:
    sender = make_signing_device(sara, now)
    sent = minutes(now - timedelta(minutes=30), 30)
    sender.send(sent, now)
    consent = make_consent(sara, now, devices=[sender.device])
    rows = preview_rows(consent=consent, limit=2, at=now)
    assert rows == [{"time": time, "device": "device-1", "air_temperature": value} for time, _, value in sent[-2:]]


def test_a_preview_holds_back_what_the_consent_holds_back(sara: User, now: datetime) -> None:
    sender = make_signing_device(sara, now)
    sender.send(minutes(now - timedelta(minutes=90), 90), now)
    consent = make_consent(sara, now, devices=[sender.device], delay_seconds=3600, resolution="15min")
    times = [row["time"] for row in preview_rows(consent=consent, limit=9, at=now)]
    # 09:26 less an hour is 08:26: the last whole quarter before it is the one from 08:00.
    assert times == [now.replace(hour=7, minute=45, second=0), now.replace(hour=8, minute=0, second=0)]


def test_a_preview_without_readings_is_empty(sara: User, now: datetime) -> None:
    assert preview_rows(consent=make_consent(sara, now), limit=5, at=now) == []


def test_a_sample_is_spread_over_the_first_day_and_never_moves_on(sara: User, now: datetime) -> None:
    sent = minutes(day_start(now, 2), 100)
    sender, listing = make_stocked_listing(sara, now, readings=sent)
    refresh_table(listing=listing, at=now)
    sample = sample_rows(listing=listing, limit=10)
    assert [row["time"] for row in sample] == [time for time, _, _ in sent[::10]]
    sender.send(minutes(day_start(now), 100), now)
    refresh_table(listing=listing, at=now)
    assert sample_rows(listing=listing, limit=10) == sample


def test_a_series_is_coarse_enough_to_give_nothing_away(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now, readings=minutes(day_start(now, 1), 800))
    refresh_table(listing=listing, at=now)
    series = listing_series(listing=listing, field="air_temperature", points=10_000)
    assert len(series) == 100
    assert series[0][0] == day_start(now, 1)
    # Three digits of the spread, which is above 100 here: whole degrees.
    assert [value for _, value in series[:3]] == [20, 22, 23]
    assert len(listing_series(listing=listing, field="air_temperature", points=12)) == 12
    assert listing_series(listing=listing, field="humidity", points=12) == []


@pytest.mark.parametrize(("days", "points"), [(20, 0), (23, 0), (24, 3), (191, 23)])
def test_the_chart_of_a_small_daily_table_is_not_the_table(sara: User, now: datetime, days: int, points: int) -> None:
    sent = [(day_start(now, days - number), "air_temperature", 10.123456 + number / 7) for number in range(days)]
    _, listing = make_stocked_listing(sara, now, readings=sent, resolution="1d")
    refresh_table(listing=listing, at=now)
    series = listing_series(listing=listing, field="air_temperature", points=480)
    assert len(series) == points
    sold = {value for _, _, value in sent}
    assert not sold & {value for _, value in series}
    quality = ListingQuality.objects.get(listing=listing)
    assert len(quality.sparkline) == points
    assert not sold & set(quality.sparkline)
    assert len(sample_rows(listing=listing, limit=10)) <= days // 8


def test_a_rarely_measured_field_is_not_given_away_beside_a_frequent_one(sara: User, now: datetime) -> None:
    start = day_start(now, 1)
    rare = [(start + timedelta(minutes=20 * number), "humidity", 50.123456 + number) for number in range(20)]
    _, listing = make_stocked_listing(
        sara, now, readings=[*minutes(start, 400), *rare], fields=["air_temperature", "humidity"]
    )
    refresh_table(listing=listing, at=now)
    assert listing_series(listing=listing, field="humidity", points=480) == []
    assert len(listing_series(listing=listing, field="air_temperature", points=480)) == 50


def test_a_slice_with_hardly_a_row_is_left_out(sara: User, now: datetime) -> None:
    start = day_start(now, 1)
    lone = (start + timedelta(hours=20), "air_temperature", 99.123456)
    _, listing = make_stocked_listing(sara, now, readings=[*minutes(start, 639), lone])
    refresh_table(listing=listing, at=now)
    assert max(value for _, value in listing_series(listing=listing, field="air_temperature", points=480)) < 111.3
    times = [time for time, _ in listing_series(listing=listing, field="air_temperature", points=480)]
    assert max(times) < start + timedelta(hours=11)


def test_values_that_barely_move_keep_the_digits_that_tell_them_apart() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number) for number in range(800)]
    pressure = polars.DataFrame({"time": times, "pressure": [1013.123456 + number / 777 for number in range(800)]})
    values = [value for _, value in series_points(pressure, "pressure", 10)]
    assert len(set(values)) == 10
    assert values == [round(value, 3) for value in values]
    constant = pressure.with_columns(pressure=polars.lit(1013.123456))
    assert {value for _, value in series_points(constant, "pressure", 10)} == {1010.0}


@pytest.mark.parametrize(("rows", "shown"), [(7, 0), (8, 1), (39, 4), (80, 10), (800, 10)])
def test_a_sample_is_an_eighth_of_the_rows_at_most(sara: User, now: datetime, rows: int, shown: int) -> None:
    _, listing = make_stocked_listing(sara, now, readings=minutes(day_start(now, 1), rows))
    refresh_table(listing=listing, at=now)
    assert len(sample_rows(listing=listing, limit=10)) == shown


def test_a_growing_table_shows_more_of_the_same_sample_rows(sara: User, now: datetime) -> None:
    sender, listing = make_stocked_listing(sara, now, readings=minutes(day_start(now, 2), 39))
    refresh_table(listing=listing, at=now)
    few = sample_rows(listing=listing, limit=10)
    sender.send(minutes(day_start(now, 1), 400), now)
    refresh_table(listing=listing, at=now)
    many = sample_rows(listing=listing, limit=10)
    assert (len(few), len(many)) == (4, 10)
    assert many[:4] == few


def test_there_is_nothing_to_see_before_the_first_refresh(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    assert sample_rows(listing=listing, limit=5) == []
    assert listing_series(listing=listing, field="air_temperature", points=5) == []
