from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from marketplace.accounts.models import User
from marketplace.accounts.services import declare_billing
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from tests.builders import make_listing
from tests.builders_money import fill_wallet

DAY = 86_400
PRICE = 11_900_000
ONE_OFF = PlanTerms("one_off", PRICE)
TEN_DAYS = PlanTerms("period", PRICE, period_seconds=10 * DAY)


@pytest.fixture(autouse=True)
def registered(settings: Any, no_vat: None) -> None:
    settings.MARKET_COUNTRY, settings.MARKET_VAT_ID = "DE", "DE100000008"
    settings.MARKET_NAME, settings.MARKET_ADDRESS = "Market", "Street 1\n10115 Berlin"


@pytest.fixture
def known_ben(ben: User, now: datetime) -> User:
    fill_wallet(ben, 500, now)
    declare_billing(user=ben, name="Ben’s Weather ΑΕ", address="Straße 2\nWien", country="AT", vat_id="", at=now)
    return ben


@pytest.fixture
def buy(sara: User, known_ben: User, now: datetime) -> Callable[..., Purchase]:
    def act(plan: PlanTerms = ONE_OFF, at: datetime = now) -> Purchase:
        listing = make_listing(sara, now, plans=[plan])
        return buy_listing(
            listing=listing, plan=listing.plans.get(), buyer=known_ben, quoted_micros=plan.price_micros, at=at
        )

    return act
