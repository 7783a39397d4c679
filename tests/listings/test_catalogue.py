"""The catalogue's query, on real rows."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.consents.services import withdraw_consent
from marketplace.listings import catalogue
from marketplace.listings.catalogue import CatalogueSearch, find_listings
from marketplace.listings.entries import PlanTerms
from marketplace.listings.facets import FacetSelection
from marketplace.listings.services import QualityFigures, record_quality, withdraw_listing
from tests.builders import EURO, make_consent, make_device, make_listing

ANYBODY = AnonymousUser()

MONTH = 30 * 86_400


def titles(found):
    return [listing.title for listing in found.listings]


def search(now, user=ANYBODY, after=None, **asked):
    kinds = {
        kind: asked.pop(kind) for kind in ("category", "measure", "price", "freshness", "country") if kind in asked
    }
    wanted = CatalogueSearch(selection=FacetSelection(**kinds), **asked)
    return find_listings(search=wanted, user=user, at=now, after=after)


def make_fresh(listing, now, age):
    figures = QualityFigures(1, 1, now - age, now - age, coverage=1.0, gap_count=0, signed_share=1.0)
    record_quality(listing=listing, quality=figures, at=now)


def earlier_consent(owner, now, **terms):
    return make_consent(owner, now - timedelta(days=1), **terms)


@pytest.fixture
def market(sara, now):
    """Three live listings: free humidity, EUR 5 temperature, EUR 30 temperature and humidity."""
    device = make_device(sara, now)
    wet = earlier_consent(sara, now, devices=[device], fields=["humidity"])
    warm = earlier_consent(sara, now, devices=[device], fields=["air_temperature"])
    both = earlier_consent(sara, now, devices=[device], fields=["air_temperature", "humidity"])
    return [
        make_listing(sara, now - timedelta(hours=3), consent=wet, title="Cellar", plans=[PlanTerms("free", 0)]),
        make_listing(sara, now - timedelta(hours=2), consent=warm, title="Rooftop thermometer"),
        make_listing(
            sara,
            now - timedelta(hours=1),
            consent=both,
            title="Garden",
            plans=[PlanTerms("period", 30 * EURO, MONTH)],
        ),
    ]


def test_shows_what_is_live_newest_first(market, now):
    found = search(now)
    assert titles(found) == ["Garden", "Rooftop thermometer", "Cellar"]
    assert found.total == 3
    assert found.next_after is None


def test_leaves_out_what_waits_was_withdrawn_or_lost_its_consent(market, sara, now):
    make_listing(sara, now, title="Waiting", consent=make_consent(sara, now), is_recorded=False)
    withdraw_listing(listing=market[0], at=now)
    withdraw_consent(consent=market[1].consent, at=now)
    assert titles(search(now)) == ["Garden"]


def test_a_named_listing_is_shown_to_whom_it_names_and_to_its_seller_only(sara, ben, mallory, now):
    consent = make_consent(sara, now, audience="named", buyer_emails=[ben.email])
    make_listing(sara, now, consent=consent, title="For Ben")
    assert titles(search(now)) == []
    assert titles(search(now, mallory)) == []
    assert titles(search(now, ben)) == ["For Ben"]
    assert titles(search(now, sara)) == ["For Ben"]
    assert search(now).counts["category"] == {}


def test_a_named_address_counts_only_when_it_was_verified(sara, ben, now):
    consent = make_consent(sara, now, audience="named", buyer_emails=[ben.email])
    make_listing(sara, now, consent=consent)
    ben.emailaddress_set.update(verified=False)
    assert titles(search(now, ben)) == []


def test_words_are_found_in_title_text_and_measures(market, now):
    assert titles(search(now, text="thermometers")) == ["Rooftop thermometer"]
    assert set(titles(search(now, text="humidity"))) == {"Cellar", "Garden"}
    assert search(now, text="roof").total == 3
    assert not search(now, text="humidity").is_near_match


@pytest.mark.parametrize(("typed", "title"), [("termometer", "Rooftop thermometer"), ("gardn", "Garden")])
def test_a_typing_error_still_finds_the_title(market, now, typed, title):
    found = search(now, text=typed)
    assert titles(found) == [title]
    assert found.is_near_match


def test_a_typing_error_still_finds_the_measure(market, now):
    found = search(now, text="humidty")
    assert set(titles(found)) == {"Cellar", "Garden"}
    assert found.is_near_match


@pytest.mark.parametrize("text", ["'; DROP TABLE x; --", '"', "a & | !", "%_", "\\", "x" * 120])
def test_hostile_words_find_nothing_and_break_nothing(market, now, text):
    assert search(now, text=text).total == 0


def test_counts_say_what_each_choice_would_leave(market, now):
    counts = search(now, price=("free",)).counts
    assert counts["price"] == {"free": 1, "5": 1, "more": 1}
    assert counts["measure"] == {"humidity": 1}
    assert counts["category"] == {"weather": 1}
    assert counts["country"] == {"DE": 1}


def test_prices_widen_and_measures_narrow(market, now):
    assert titles(search(now, price=("free", "more"))) == ["Garden", "Cellar"]
    assert titles(search(now, measure=("humidity",))) == ["Garden", "Cellar"]
    assert titles(search(now, measure=("humidity", "air_temperature"))) == ["Garden"]


def test_freshness_bands_end_where_they_say(market, now):
    for listing, days in zip(market, (1, 7, 30), strict=True):
        make_fresh(listing, now, timedelta(days=days))
    assert search(now).counts["freshness"] == {"week": 1, "month": 1, "older": 1}
    make_fresh(market[0], now, timedelta(days=1, seconds=-1))
    assert titles(search(now, freshness=("day",))) == ["Cellar"]


def test_values_that_there_are_not_find_nothing(market, now):
    nonsense = ("nonsense", "\U000dac05")
    for kind in ("category", "measure", "price", "freshness", "country"):
        found = search(now, **{kind: nonsense}, text="roof")
        assert (found.listings, found.total) == ([], 0)
    found = search(now, price=nonsense, freshness=nonsense)
    assert (found.listings, found.total, found.widenings) == ([], 0, [])
    assert titles(search(now, price=("free", *nonsense))) == ["Cellar"]


def test_the_four_orders(market, now):
    for listing, days in zip(market, (2, 1, 3), strict=True):
        make_fresh(listing, now, timedelta(days=days))
    assert titles(search(now, sort="price")) == ["Cellar", "Rooftop thermometer", "Garden"]
    assert titles(search(now, sort="freshness")) == ["Rooftop thermometer", "Cellar", "Garden"]
    assert titles(search(now, sort="match")) == ["Garden", "Rooftop thermometer", "Cellar"]
    assert titles(search(now, text="garden or cellar or roof", sort="match"))[-1] == "Rooftop thermometer"


@pytest.mark.parametrize("sort", ["newest", "price", "freshness", "match"])
@pytest.mark.parametrize("text", ["", "roof", "rof weathr"])
def test_pages_hold_every_listing_once(sara, now, monkeypatch, sort, text):
    monkeypatch.setattr(catalogue, "PAGE_SIZE", 2)
    consent = make_consent(sara, now)
    made = {make_listing(sara, now, consent=consent, title="Roof weather").public_id for _ in range(7)}
    seen, after = [], None
    while True:
        found = search(now, text=text, sort=sort, after=after)
        seen += [listing.public_id for listing in found.listings]
        after = found.next_after
        if after is None:
            break
    assert len(seen) == 7
    assert set(seen) == made


def test_an_unknown_place_starts_from_the_beginning(market, now, sara):
    assert titles(search(now, after=sara.public_id)) == ["Garden", "Rooftop thermometer", "Cellar"]


def test_no_match_says_what_to_drop(market, now):
    found = search(now, text="garden", price=("free",), category=("weather",))
    assert found.total == 0
    assert [(one.kind, one.count) for one in found.widenings] == [("price", 1), ("text", 1)]


def test_costs_few_queries_however_many_listings(market, now, ben):
    with CaptureQueriesContext(connection) as few:
        search(now, ben, text="garden", category=("weather",))
    assert len(few) <= 6
