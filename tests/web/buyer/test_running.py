"""What a buyer decides about a purchase that goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase, PurchaseChange
from marketplace.purchases.services import bill_usage, buy_listing, count_rows, start_clock
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

BY_USE = PlanTerms("metered", micros_per_1000_rows=EURO, cap_micros=20 * EURO)
MONTHLY = PlanTerms("period", 10 * EURO, 30 * 86_400, is_renewing=True)


@pytest.fixture
def at() -> datetime:
    return timezone.now() - timedelta(minutes=5)


def buy(sara: User, ben: User, at: datetime, terms: PlanTerms) -> Purchase:
    fill_wallet(ben, 50, at)
    listing = make_listing(sara, at, plans=[terms])
    plan = listing.plans.get()
    purchase = buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)
    sequence_batch(at=at)
    return purchase


def test_the_meter_the_cap_and_the_end(as_ben: Client, sara: User, ben: User, at: datetime):
    purchase = buy(sara, ben, at, BY_USE)
    count_rows(purchase=purchase, row_count=2_000, at=at)
    address = reverse("purchase_page", args=[purchase.public_id])
    assert "2.00" in as_ben.get(address).content.decode()
    cap = reverse("purchase_cap", args=[purchase.public_id])
    assert as_ben.post(cap, {"cap": "2"}).status_code == 302
    purchase.refresh_from_db()
    assert purchase.own_cap_micros == 2 * EURO
    assert "Your own cap is reached." in as_ben.get(address).content.decode()
    for wrong in ("0", "-1", "1.005", "much", "1"):
        assert as_ben.post(cap, {"cap": wrong}).status_code == 422
    assert as_ben.post(cap, {"cap": ""}).status_code == 302
    assert as_ben.post(reverse("purchase_stop", args=[purchase.public_id])).status_code == 302
    ended = as_ben.get(address).content.decode()
    assert "This month so far" not in ended
    assert "You stopped this purchase" in ended
    assert "is billed within minutes" in ended
    assert "2.00 of it is kept for what you used this month" in as_ben.get(reverse("wallet")).content.decode()
    bill_usage(at=timezone.now())
    assert "is billed within minutes" not in as_ben.get(address).content.decode()
    assert "is kept for" not in as_ben.get(reverse("wallet")).content.decode()
    receipt = as_ben.get(reverse("purchase_receipt", args=[purchase.public_id])).content.decode()
    assert "1.00 per 1,000 rows" in receipt
    assert reverse("purchase_receipt", args=[purchase.followers.get().public_id]) in receipt
    assert as_ben.post(reverse("purchase_stop", args=[purchase.public_id])).status_code == 422


def test_the_renewal_switch(as_ben: Client, sara: User, ben: User, at: datetime):
    purchase = buy(sara, ben, at, MONTHLY)
    start_clock(purchase=purchase, at=at)
    address = reverse("purchase_page", args=[purchase.public_id])
    assert "Switch renewal off" in as_ben.get(address).content.decode()
    switch = reverse("purchase_renewal", args=[purchase.public_id])
    assert as_ben.post(switch, {"is_renewing": "0"})["Location"] == address
    assert "Switch renewal on" in as_ben.get(address).content.decode()
    assert as_ben.post(switch, {"is_renewing": "1"}).status_code == 302
    assert PurchaseChange.objects.filter(kind__startswith="renewal").count() == 2


@pytest.mark.parametrize("name", ["purchase_renewal", "purchase_cap", "purchase_stop"])
def test_a_stranger_changes_nothing(as_mallory: Client, sara: User, ben: User, at: datetime, name: str):
    purchase = buy(sara, ben, at, BY_USE)
    assert as_mallory.post(reverse(name, args=[purchase.public_id]), {"cap": "3"}).status_code == 404
    assert not PurchaseChange.objects.exists()
