from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

PLANS = (PlanTerms("one_off", 5 * EURO), PlanTerms("period", 12 * EURO, 30 * 86_400))
FREE = (PlanTerms("free", 0),)


@pytest.fixture
def listing(sara: User, now: datetime) -> Listing:
    return make_listing(sara, now, plans=PLANS)


@pytest.fixture
def free_listing(sara: User, now: datetime) -> Listing:
    return make_listing(sara, now, title="Cellar", plans=FREE)


@pytest.fixture
def rich_ben(ben: User, now: datetime) -> User:
    fill_wallet(ben, 50, now)
    return ben


@pytest.fixture
def buy(listing: Listing, ben: User, now: datetime) -> Callable[..., Purchase]:
    """Buy the listing's first plan as ben at the price shown, unless told otherwise."""

    def act(**changes: Any) -> Purchase:
        wanted = changes.pop("listing", listing)
        kind = changes.pop("kind", None)
        plan = changes.pop("plan", None) or (wanted.plans.get(kind=kind) if kind else wanted.plans.first())
        terms: dict[str, Any] = {
            "listing": wanted,
            "plan": plan,
            "buyer": ben,
            "quoted_micros": plan.price_micros,
            "at": now,
        }
        return buy_listing(**(terms | changes))

    return act
