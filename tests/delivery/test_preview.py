from datetime import datetime, timedelta

import pytest

from marketplace.accounts.models import User
from marketplace.delivery.services import listing_series, preview_rows, refresh_table, sample_rows
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
    assert series[0][1] == pytest.approx(sum(20 + number / 7 for number in range(8)) / 8)
    assert len(listing_series(listing=listing, field="air_temperature", points=12)) == 12
    assert listing_series(listing=listing, field="humidity", points=12) == []


def test_there_is_nothing_to_see_before_the_first_refresh(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    assert sample_rows(listing=listing, limit=5) == []
    assert listing_series(listing=listing, field="air_temperature", points=5) == []
