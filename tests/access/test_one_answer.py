"""Six places say whether what was bought may be read: they never disagree, whatever ended it, at any moment."""

from datetime import timedelta

import pytest

from marketplace.access.models import AccessToken
from marketplace.access.services import Grant, authorise, authorise_all, issue_token, obstacle_to
from marketplace.delivery.reads.sight import access_facts
from marketplace.errors import MarketError
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.reserving import end_of_use
from marketplace.purchases.services import (
    refund_on_request,
    start_clock,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TICK = timedelta(microseconds=1)
MONTH = 30 * DAY


@pytest.fixture
def bought(sara, ben, now):
    fill_wallet(ben, 50, now)
    consent = make_consent(sara, now, valid_until=now + 45 * DAY)
    listing = make_listing(sara, now, consent=consent, plans=(PlanTerms("period", 12 * EURO, 30 * 86_400),))
    purchase = buy(listing, ben, now)
    return purchase, issue_token(purchase=purchase, at=now)[1]


def begin(purchase, at):
    start_clock(purchase=purchase, at=at)


def end_by_consent(purchase, at):
    begin(purchase, at)
    withdraw_consent_with_refunds(consent=purchase.listing.consent, at=at + HOUR)


def end_by_listing(purchase, at):
    begin(purchase, at)
    withdraw_listing_with_refunds(listing=purchase.listing, at=at + HOUR)


def give_back(purchase, at):
    refund_on_request(purchase=purchase, at=at + HOUR)


@pytest.mark.parametrize("act", [begin, end_by_consent, end_by_listing, give_back])
@pytest.mark.parametrize("after", [HOUR, HOUR + TICK, MONTH - TICK, MONTH, 45 * DAY - TICK, 45 * DAY])
def test_all_say_the_same(bought, now, act, after):
    purchase, token = bought
    act(purchase, now)
    found = AccessToken.objects.get(purchase=purchase)
    fresh, at = Purchase.objects.select_related("listing__consent", "plan").get(pk=purchase.pk), now + after
    may_read = {
        "the door": opens(token, at),
        "streams": isinstance(authorise_all([found.public_id], at)[found.public_id], Grant),
        "its reason": obstacle_to(fresh, at) is None,
        "lists": Purchase.objects.readable_at(at).filter(pk=fresh.pk).exists(),
        "pages": not access_facts([fresh], at)[fresh.pk].ended,
        "bills": at < end_of_use(fresh),
    }
    assert set(may_read.values()) == {act is begin and at < min(fresh.access_until, now + 45 * DAY)}, may_read


def opens(token, at):
    try:
        authorise(token=token, at=at)
    except MarketError:
        return False
    return True
