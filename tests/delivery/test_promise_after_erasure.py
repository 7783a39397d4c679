"""A buyer who left holds up nobody else's money."""

from datetime import timedelta

import pytest

from ledger.services import sequence_batch
from marketplace.delivery.promise import refund_what_never_came
from marketplace.erasure.services import erase_account
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Refund
from marketplace.purchases.services import buy_listing
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


def test_the_others_get_back_what_never_came(sara, ben, mallory, now):
    listing = make_listing(sara, now, plans=[PlanTerms("one_off", 5 * EURO)])
    for person in (ben, mallory):
        fill_wallet(person, 5, now)
        buy_listing(listing=listing, plan=listing.plans.get(), buyer=person, quoted_micros=5 * EURO, at=now)
    sequence_batch(at=now)
    erase_account(user=ben, at=now)
    assert refund_what_never_came(at=now + timedelta(days=13)) == 1
    assert Refund.objects.get().purchase.buyer == mallory
