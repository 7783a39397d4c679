"""The page on which an owner takes something away, and what both sides see of it afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.models import Consent, ConsentChange
from marketplace.consents.services import Terms
from marketplace.delivery.services import narrow_and_rebuild
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import buy_listing, start_clock
from tests.builders import EURO, make_consent, make_device, make_listing
from tests.builders_money import fill_wallet

from .conftest import logged_in

DAY = timedelta(days=1)


@pytest.fixture
def consent(sara: User) -> Consent:
    at = timezone.now() - DAY
    return make_consent(
        sara,
        at,
        devices=[make_device(sara, at)],
        fields=["air_temperature", "humidity"],
        resolution="1min",
        delay_seconds=7200,
        purposes=["AcademicResearch", "Marketing"],
        valid_until=at + 100 * DAY,
    )


@pytest.fixture
def form(sara_client: Client, consent: Consent) -> dict[str, object]:
    shown = sara_client.get(reverse("consent_narrowing", args=[consent.public_id])).context["form"]
    return {**shown.initial, "valid_until": shown.initial["valid_until"].isoformat()}


def test_offers_only_what_is_allowed_and_ticks_all_of_it(sara_client: Client, consent: Consent):
    page = sara_client.get(reverse("consent_narrowing", args=[consent.public_id]))
    shown = page.context["form"]
    assert [value for value, _ in shown.fields["resolution"].choices] == ["1min", "15min", "1h", "1d"]
    assert [value for value, _ in shown.fields["delay_seconds"].choices] == [7200, 86400, 604800, 2592000]
    assert [value for value, _ in shown.fields["purposes"].choices] == ["AcademicResearch", "Marketing"]
    assert page.content.decode().count("checked") == 5


def test_narrows_and_says_so(sara_client: Client, consent: Consent, form: dict[str, object]):
    address = reverse("consent_narrowing", args=[consent.public_id])
    answer = sara_client.post(address, form | {"fields_allowed": ["humidity"], "purposes": ["Marketing"]})
    assert answer["Location"] == reverse("consent_page", args=[consent.public_id])
    narrowed = Consent.objects.get()
    assert (narrowed.fields, narrowed.purposes, narrowed.valid_until) == (
        ["humidity"],
        ["Marketing"],
        consent.valid_until,
    )
    page = sara_client.get(answer["Location"]).content.decode()
    assert "No more Air temperature. No longer for Academic research." in page


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "nothing_narrowed"),
        ({"fields_allowed": []}, "Leave at least one field"),
        ({"purposes": ["Verification"]}, "Select a valid choice"),
        ({"resolution": "raw"}, "Select a valid choice"),
        ({"delay_seconds": "0"}, "Select a valid choice"),
        ({"valid_until": "2040-01-01"}, "consent_widened"),
        ({"valid_until": "2001-01-01"}, "term_out_of_range"),
    ],
)
def test_refuses_what_is_not_narrower(
    sara_client: Client, consent: Consent, form: dict[str, object], change: dict[str, object], sentence: str
):
    answer = sara_client.post(reverse("consent_narrowing", args=[consent.public_id]), form | change)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not ConsentChange.objects.exists()
    assert not OutboxRow.objects.filter(kind="consent.narrowed").exists()


def test_a_stranger_finds_nothing(ben: User, consent: Consent, form: dict[str, object]):
    address = reverse("consent_narrowing", args=[consent.public_id])
    assert logged_in(ben).get(address).status_code == 404
    assert logged_in(ben).post(address, form | {"resolution": "1d"}).status_code == 404
    assert Client().post(address, form | {"resolution": "1d"}).status_code == 302
    assert not ConsentChange.objects.exists()


def test_the_buyer_sees_it_with_its_receipt_and_gives_the_rest_back(sara: User, ben: User, consent: Consent):
    at = timezone.now() - timedelta(hours=12)
    fill_wallet(ben, 50, at)
    listing = make_listing(sara, at, consent=consent, plans=[PlanTerms("period", 12 * EURO, 30 * 86_400)])
    plan = listing.plans.get()
    bought = buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)
    start_clock(purchase=bought, at=at)
    terms = replace(Terms.of(consent), resolution="1h")
    narrow_and_rebuild(consent=consent, terms=terms, at=at + timedelta(hours=1))
    sequence_batch(at=timezone.now())

    client = logged_in(ben)
    page = client.get(reverse("purchase_page", args=[bought.public_id])).content.decode()
    assert "The owner narrowed the consent" in page
    assert "Hourly averages." in page
    assert "Give it back" in page
    question = client.get(reverse("purchase_refund", args=[bought.public_id])).content.decode()
    assert "for the time that is left" in question
    client.post(reverse("purchase_refund", args=[bought.public_id]))
    refund = Refund.objects.get()
    assert refund.reason == "consent_narrowed"
    assert 11 * EURO < refund.amount_micros < 12 * EURO
    assert Purchase.objects.get().ended_at is not None
