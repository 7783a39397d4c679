from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from marketplace.accounts.models import User
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import open_dispute
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing, start_clock
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet
from tests.conftest import make_person


@pytest.fixture
def purchase(sara: User, ben: User, now: datetime) -> Purchase:
    """Ben bought sara's history for EUR 5.00 and loaded it."""
    fill_wallet(ben, 5, now)
    listing = make_listing(sara, now, plans=(PlanTerms("one_off", 5 * EURO),))
    bought = buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=5 * EURO, at=now)
    start_clock(purchase=bought, at=now)
    return bought


@pytest.fixture
def operator(db: None) -> User:
    return make_person("operator")


@pytest.fixture
def dispute(purchase: Purchase, now: datetime) -> Dispute:
    return open_dispute(purchase=purchase, reason="wrong", text="Every night reads 85 degrees.", at=now)


@pytest.fixture
def decide(operator: User) -> Callable[..., dict[str, Any]]:
    """What decide_dispute takes, unless told otherwise."""

    def terms(**changes: Any) -> dict[str, Any]:
        return {"by": operator, "refund_micros": 0, "ends_access": False, "text": "The data is fine."} | changes

    return terms
