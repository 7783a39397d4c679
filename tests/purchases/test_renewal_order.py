"""Nobody's renewal waits behind others that are not due."""

from datetime import timedelta

import pytest

from marketplace.listings.entries import PlanTerms
from marketplace.notices.models import Notice
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing, renew_due, start_clock
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def bought(sara, ben, now):
    """One of 60 days, then one of a single day."""
    fill_wallet(ben, 50, now)
    made = []
    for days in (60, 1):
        plan = PlanTerms("period", EURO, days * 86_400, is_renewing=True)
        listing = make_listing(sara, now, plans=[plan], title=f"Roof {days}")
        purchase = buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=EURO, at=now)
        made.append(start_clock(purchase=purchase, at=now) and purchase)
    return made


def test_one_at_a_time_is_enough_for_the_one_that_is_due(bought, now):
    assert renew_due(at=now + DAY, most=1) == 1
    assert Purchase.objects.get(continues__isnull=False).continues == bought[1]


def test_what_is_not_near_its_end_is_not_looked_at(bought, now):
    assert renew_due(at=now + DAY / 3) == 0
    assert renew_due(at=now + DAY * 2 / 3) == 1
    assert Notice.objects.filter(kind="renewal").count() == 1
    assert renew_due(at=now + DAY * 3 / 4) == 0
