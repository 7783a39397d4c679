from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.delivery.services import refresh_table
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from marketplace.wallet.services import settle_top_up, start_top_up
from tests.builders import EURO, make_listing

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def at() -> datetime:
    """Pages ask the clock, so what they show is made a little before now."""
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def listing(sara: User, at: datetime) -> Listing:
    return make_listing(sara, at, title="Roof weather")


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def as_ben(ben: User) -> Client:
    return logged_in(ben)


@pytest.fixture
def as_sara(sara: User) -> Client:
    return logged_in(sara)


@pytest.fixture
def as_mallory(mallory: User) -> Client:
    return logged_in(mallory)


def fill_wallet(user: User, at: datetime, euros: int = 20) -> None:
    top_up = start_top_up(user=user, amount_micros=euros * EURO, at=at)
    settle_top_up(top_up=top_up, outcome="pay", at=at)


def offer(listing: Listing, **changes: Any) -> dict[str, Any]:
    """The hidden fields of the checkout's form."""
    plan = listing.plans.first()
    assert plan is not None
    fields = {"plan": plan.public_id, "quoted_micros": plan.price_micros, "idempotency_key": uuid4()}
    return fields | changes


@pytest.fixture
def purchase(listing: Listing, ben: User, at: datetime) -> Purchase:
    """Paid, not yet recorded."""
    fill_wallet(ben, at)
    plan = listing.plans.get()
    return buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)


@pytest.fixture
def ready(purchase: Purchase, at: datetime) -> Purchase:
    """Recorded, and its data is written."""
    sequence_batch(at=at)
    refresh_table(listing=purchase.listing, at=at + timedelta(seconds=1))
    return purchase
