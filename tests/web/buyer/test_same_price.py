"""One figure: what the card says is what the page, the checkout, the purchase, its receipt and the statement say."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.invoices.services import issue_due
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.listings.services import make_offer
from marketplace.notices.delivering import body_of
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookDelivery
from marketplace.notices.services import add_webhook
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import bill_usage, buy_listing, count_rows, stop_metered
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

KINDS = {
    "one_off": PlanTerms("one_off", 12_340_000),
    "period": PlanTerms("period", 12_340_000, 36 * 3_600),
    "renewing": PlanTerms("period", 12_340_000, 30 * 86_400, is_renewing=True),
    "metered": PlanTerms("metered", micros_per_1000_rows=12_340_000),
}
Reader = Callable[[Client, Plan, Purchase], str]


def page(client: Client, address: str) -> str:
    """The page's words, as people read them."""
    text = re.sub(r"<[^>]+>", " ", client.get(address).content.decode())
    return html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")


def webhook_of(charge: Purchase) -> str:
    """What the seller's program is told of the sale, or of the bill, as EUR."""
    dispatch_notices(at=charge.purchased_at)
    delivery = WebhookDelivery.objects.get(notice__kind="sale", notice__reference=charge.public_id)
    said = json.loads(body_of(delivery))["data"]
    return f"{said['currency']} {Decimal(said['price_micros']) / 1_000_000:.2f}"


# Whoever adds a place where the price stands adds it here.
BEFORE: dict[str, Callable[[Client, Plan], str]] = {
    "card": lambda client, plan: page(client, reverse("catalogue")),
    "listing": lambda client, plan: page(client, reverse("listing_page", args=[plan.listing.public_id])),
    "checkout": lambda client, plan: page(
        client, f"{reverse('purchase_create', args=[plan.listing.public_id])}?plan={plan.public_id}"
    ),
}
AFTER: dict[str, Reader] = {
    "receipt": lambda client, plan, charge: page(client, reverse("purchase_receipt", args=[charge.public_id])),
    "webhook": lambda client, plan, charge: webhook_of(charge),
    "statement": lambda client, plan, charge: page(client, reverse("wallet")),
    "invoices": lambda client, plan, charge: page(client, reverse("invoice_list")),
    "invoice": lambda client, plan, charge: page(
        client, reverse("invoice_page", args=[charge.invoices.get().public_id])
    ),
}


@pytest.fixture
def at() -> datetime:
    return timezone.now() - timedelta(minutes=5)


def bought(plan: Plan, ben: User, at: datetime) -> Purchase:
    """The purchase that was charged; of a metered plan the bill of a thousand rows."""
    fill_wallet(ben, 100, at)
    purchase = buy_listing(listing=plan.listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)
    sequence_batch(at=at)
    if plan.kind != Plan.Kind.METERED:
        return purchase
    count_rows(purchase=purchase, row_count=1_000, at=at)
    stop_metered(purchase=purchase, at=at + timedelta(minutes=1))
    bill_usage(at=at + timedelta(minutes=1))
    sequence_batch(at=at)
    return Purchase.objects.get(continues=purchase)


@pytest.mark.parametrize("kind", KINDS)
def test_the_price_is_the_same_figure_everywhere(
    as_ben: Client, sara: User, ben: User, at: datetime, kind: str, settings: Any
):
    # So that no other figure is the same: the price without VAT is EUR 10.37.
    settings.MARKET_COUNTRY, settings.MARKET_VAT_ID = "DE", "DE100000008"
    plan = make_listing(sara, at, plans=[KINDS[kind]]).plans.get()
    shown = {name: "EUR 12.34" in read(as_ben, plan) for name, read in BEFORE.items()}
    assert shown == dict.fromkeys(BEFORE, True)
    add_webhook(user=sara, url="https://hooks.example.test/", kinds=[NoticeKind.SALE], at=at)
    charge = bought(plan, ben, at)
    assert charge.price_micros == 12_340_000
    issue_due(at=at)
    shown = {name: "EUR 12.34" in read(as_ben, plan, charge) for name, read in AFTER.items()}
    assert shown == dict.fromkeys(AFTER, True)


@pytest.mark.parametrize("terms", [PlanTerms("free"), PlanTerms("trial", trial_rows=100)])
def test_what_is_free_is_free_everywhere(as_ben: Client, sara: User, at: datetime, terms: PlanTerms):
    plan = make_listing(sara, at, plans=[terms]).plans.get()
    assert all("Free" in read(as_ben, plan) for read in BEFORE.values())


def test_an_offer_stands_on_the_listing_for_its_buyer_alone(
    as_ben: Client, as_mallory: Client, sara: User, ben: User, at: datetime
):
    listing = make_listing(sara, at, plans=[PlanTerms("one_off", 20 * EURO)])
    terms = PlanTerms("one_off", 12_340_000)
    plan = make_offer(listing=listing, terms=terms, email=ben.email, until=at + timedelta(days=1), at=at)
    for name in ("listing", "checkout"):
        assert "EUR 12.34" in BEFORE[name](as_ben, plan)
        assert "EUR 12.34" not in BEFORE[name](as_mallory, plan)
    assert "EUR 12.34" not in BEFORE["card"](as_mallory, plan)
