"""Selling a published listing in more ways."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.accounts.models import User
from marketplace.listings.models import Listing, ListingRevision, Plan
from marketplace.listings.services import withdraw_listing
from tests.builders import EURO, make_consent, make_draft, make_listing

ONE_MORE = {"days_1": "7", "unit_1": "days", "price_1": "2.50"}


def address(listing: Listing) -> str:
    return reverse("plan_add", args=[listing.public_id])


def kinds(listing: Listing) -> list[str]:
    return [plan.kind for plan in Plan.objects.filter(listing=listing).order_by("position")]


def test_the_listing_page_leads_there_and_the_new_plans_are_for_sale(sara_client: Client, sara: User, now: datetime):
    listing = make_listing(sara, timezone.now())
    first = listing.plans.get()
    own_page = reverse("own_listing", args=[listing.public_id])
    assert address(listing) in sara_client.get(own_page).content.decode()
    assert "Fill in only what you add" in sara_client.get(address(listing)).content.decode()

    answer = sara_client.post(address(listing), {**ONE_MORE, "trial_days": "3", "row_price": "0.20"})

    assert answer["Location"] == own_page
    assert kinds(listing) == [first.kind, "period", "metered", "trial"]
    assert Plan.objects.get(kind="period").price_micros == 5 * EURO // 2
    assert ListingRevision.objects.filter(listing=listing).count() == 2
    assert len(sara_client.get(own_page).context["quotes"]) == 4


@pytest.mark.parametrize(
    ("posted", "words"),
    [
        ({}, "Offer at least one plan"),
        ({"one_off_price": "9"}, "plans_conflict"),
        ({"days_1": "400", "price_1": "3"}, "A period lasts 1 to 366 days"),
        ({"days_1": "90", "unit_1": "days", "price_1": "3"}, "Under your consent a period can last"),
    ],
)
def test_refuses_what_does_not_fit_and_adds_nothing(sara_client: Client, sara: User, posted, words):
    at = timezone.now()
    consent = make_consent(sara, at, valid_until=at + timedelta(days=40))
    listing = make_listing(sara, at, consent=consent)
    before, waiting = kinds(listing), OutboxRow.objects.count()
    assert before == ["one_off"]
    answer = sara_client.post(address(listing), {**posted, "trial_rows": "100"} if posted else {})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert (kinds(listing), OutboxRow.objects.count()) == (before, waiting)


def test_strangers_drafts_and_withdrawn_listings_have_no_such_page(
    sara_client: Client, mallory_client: Client, visitor: Client, sara: User
):
    at = timezone.now()
    listing = make_listing(sara, at)
    assert mallory_client.post(address(listing), ONE_MORE).status_code == 404
    assert visitor.post(address(listing), ONE_MORE).status_code == 302
    assert sara_client.get(address(make_draft(sara, at))).status_code == 404
    withdraw_listing(listing=listing, at=at)
    assert sara_client.post(address(listing), ONE_MORE).status_code == 404
    assert kinds(listing) == ["one_off"]
