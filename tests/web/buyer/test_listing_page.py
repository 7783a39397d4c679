from datetime import timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.services import refresh_table
from marketplace.listings.services import withdraw_listing
from tests.builders import make_consent, make_draft, make_listing
from tests.builders_delivery import buy, day_start, make_stocked_listing

pytestmark = pytest.mark.django_db


def address(listing):
    return reverse("listing_page", args=[listing.public_id])


def test_says_what_it_is_and_what_it_costs(client, listing):
    page = client.get(address(listing))
    assert page.status_code == 200
    for words in (
        "<h1>Roof weather</h1>",
        "Buy for EUR\N{NO-BREAK SPACE}5.00",
        "0.40",
        "Academic research",
        "air_temperature",
    ):
        assert words in page.text
    assert "Entry" in page.text


def test_leads_to_the_checkout(client, listing):
    plan = listing.plans.get()
    checkout = reverse("purchase_create", args=[listing.public_id])
    assert f'href="{checkout}?plan={plan.public_id}"' in client.get(address(listing)).text


def test_the_seller_sees_that_it_is_his_own(as_sara, listing):
    page = as_sara.get(address(listing))
    assert "your own listing" in page.text
    assert "Buy for" not in page.text


def test_a_withdrawn_listing_is_gone_for_strangers_but_not_for_its_buyers(client, as_ben, as_mallory, purchase, at):
    withdraw_listing(listing=purchase.listing, at=at)
    assert client.get(address(purchase.listing)).status_code == 404
    assert as_mallory.get(address(purchase.listing)).status_code == 404
    page = as_ben.get(address(purchase.listing))
    assert "The seller has withdrawn this listing" in page.text
    assert "Buy for" not in page.text


def end_by(kind, listing, at):
    if kind == "listing":
        withdraw_listing(listing=listing, at=at)
    elif kind == "consent":
        withdraw_consent(consent=listing.consent, at=at)
    else:
        Consent.objects.filter(pk=listing.consent_id).update(valid_until=at)


@pytest.mark.parametrize("kind", ["listing", "consent", "expiry"])
def test_when_it_is_over_only_the_seller_still_sees_what_the_data_was(as_sara, as_ben, sara, ben, at, kind):
    _, listing = make_stocked_listing(sara, at)
    buy(listing, ben, at)
    refresh_table(listing=listing, at=at)
    marks = ("data-series=", "Sample rows", "Measured quality", "Signed by the device")
    page = as_ben.get(address(listing)).text
    assert [mark for mark in marks if mark not in page] == []
    end_by(kind, listing, at + timedelta(seconds=1))
    page = as_ben.get(address(listing)).text
    assert "not sold and not delivered any more" in page
    assert [mark for mark in marks if mark in page] == []
    page = as_sara.get(address(listing)).text
    assert [mark for mark in marks if mark not in page] == []


def test_the_page_of_a_small_daily_table_does_not_hold_the_table(client, sara, at):
    """Twenty days at one row a day: the chart used to carry each of them with all its digits."""
    sent = [(day_start(at, 20 - number), "air_temperature", 10.123456 + number / 7) for number in range(20)]
    _, listing = make_stocked_listing(sara, at, readings=sent, resolution="1d")
    refresh_table(listing=listing, at=at)
    page = client.get(address(listing)).text
    assert "data-series=" not in page
    assert "A chart appears here when enough data is prepared" in page


def test_drafts_and_unknown_ones_are_not_found(client, as_sara, sara, at):
    assert as_sara.get(address(make_draft(sara, at))).status_code == 404
    assert client.get(f"/listings/{uuid4()}/").status_code == 404


def test_a_listing_for_named_people_is_not_found_by_strangers(as_ben, as_mallory, sara, ben, at):
    consent = make_consent(sara, at, audience="named", buyer_emails=[ben.email])
    named = make_listing(sara, at, consent=consent)
    assert as_mallory.get(address(named)).status_code == 404
    assert as_ben.get(address(named)).status_code == 200


def test_waiting_for_the_log_only_the_seller_sees_it(client, as_sara, sara, at):
    waiting = make_listing(sara, at, is_recorded=False)
    assert client.get(address(waiting)).status_code == 404
    assert "goes live as soon as" in as_sara.get(address(waiting)).text


@pytest.mark.parametrize("query", ["?range=week", "?range=x", "?measure=secret", "?measure=humidity&range=month"])
def test_range_and_measure_come_from_the_address(client, listing, query):
    page = client.get(address(listing) + query)
    assert page.status_code == 200
    assert "secret" not in page.text
