"""Beside each seal of a record is the way to its receipt, for the owner and for the buyer."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import Entry
from ledger.services import sequence_batch
from marketplace.access.services import issue_token, revoke_token
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.services import refresh_table
from marketplace.listings.services import withdraw_listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from tests.builders import make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def at() -> datetime:
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def bought(sara: User, ben: User, at: datetime) -> Purchase:
    listing = make_listing(sara, at)
    fill_wallet(ben, 20, at)
    refresh_table(listing=listing, at=at)
    plan = listing.plans.get()
    return buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)


def page_of(person: User, name: str, *arguments: object) -> str:
    client = Client()
    client.force_login(person)
    answer = client.get(reverse(name, args=arguments))
    assert answer.status_code == 200
    return answer.content.decode()


def receipt_of(entry_id: UUID | None) -> str:
    assert entry_id is not None
    return f'href="{reverse("log_receipt", args=[Entry.objects.get(entry_id=entry_id).index])}" download'


def test_the_owner_has_those_of_consent_listing_and_withdrawals(sara: User, bought: Purchase, at: datetime):
    listing = bought.listing
    withdraw_listing(listing=listing, at=at)
    withdraw_consent(consent=listing.consent, at=at)
    sequence_batch(at=at)
    consent = type(listing.consent).objects.get(pk=listing.consent.pk)
    listing = type(listing).objects.get(pk=listing.pk)
    for name in ("consent_page", "consent_receipt"):
        page = page_of(sara, name, consent.public_id)
        assert receipt_of(consent.entry_id) in page
        assert receipt_of(consent.withdrawal_entry_id) in page
    page = page_of(sara, "own_listing", listing.public_id)
    assert receipt_of(listing.entry_id) in page
    assert receipt_of(listing.withdrawal_entry_id) in page
    assert receipt_of(consent.withdrawal_entry_id) in page_of(sara, "consent_withdrawal", consent.public_id)
    assert receipt_of(listing.withdrawal_entry_id) in page_of(sara, "listing_withdrawal", listing.public_id)


def test_the_buyer_has_those_of_purchase_token_revocation_and_withdrawal(ben: User, bought: Purchase, at: datetime):
    sequence_batch(at=at)
    token, _ = issue_token(purchase=bought, at=at)
    revoke_token(token=token, at=at)
    token.refresh_from_db()
    sequence_batch(at=at)
    page = page_of(ben, "purchase_page", bought.public_id)
    for entry_id in (bought.entry_id, token.entry_id, token.revocation_entry_id):
        assert receipt_of(entry_id) in page
    assert receipt_of(bought.entry_id) in page_of(ben, "purchase_receipt", bought.public_id)
    assert receipt_of(bought.listing.entry_id) in page_of(ben, "listing_page", bought.listing.public_id)
    withdraw_consent(consent=bought.listing.consent, at=at)
    sequence_batch(at=at)
    withdrawal = type(bought.listing.consent).objects.get(pk=bought.listing.consent.pk).withdrawal_entry_id
    assert receipt_of(withdrawal) in page_of(ben, "purchase_page", bought.public_id)


def test_a_record_that_waits_has_none_yet(ben: User, bought: Purchase):
    page = page_of(ben, "purchase_receipt", bought.public_id)
    assert "Waiting to be recorded" in page
    assert "receipt-link" not in page


def test_one_that_is_not_final_says_so(ben: User, bought: Purchase, at: datetime):
    sequence_batch(at=at)
    assert "not final yet: it will change once" in page_of(ben, "purchase_receipt", bought.public_id)
