"""Who bought under wider terms is told, may go with the unused part, and pays nothing for time that is cut off."""

from dataclasses import replace
from datetime import timedelta

import pytest

from marketplace.consents.services import Terms
from marketplace.notices.models import Notice
from marketplace.purchases import errors
from marketplace.purchases.models import Refund
from marketplace.purchases.services import (
    narrow_consent_and_tell,
    obstacle_to_refund,
    refund_for_asking,
    refund_on_request,
    release_earnings,
    start_clock,
)
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def narrow(listing, at, **change):
    terms = replace(Terms.of(listing.consent), **change)
    return narrow_consent_and_tell(consent=listing.consent, terms=terms, at=at)


def test_buyers_are_told_once(buy, listing, rich_ben, now):
    buy(kind="one_off")
    buy(kind="period")
    narrow(listing, now + DAY, resolution="1h")
    notice = Notice.objects.get(user=rich_ben, kind="consent_change")
    assert notice.facts == {"consent": str(listing.consent.public_id), "change": "narrowed"}


def test_a_buyer_of_before_takes_the_unused_part_back(buy, listing, rich_ben, now):
    purchase = buy(kind="period")
    start_clock(purchase=purchase, at=now)
    purchase.refresh_from_db()
    assert isinstance(obstacle_to_refund(purchase, now + 9 * DAY), errors.AlreadyDelivered)
    narrow(listing, now + 9 * DAY, resolution="1h")

    purchase = type(purchase).objects.get(pk=purchase.pk)
    assert obstacle_to_refund(purchase, now + 10 * DAY) is None
    assert refund_for_asking(purchase, now + 10 * DAY) == 8 * EURO
    refund = refund_on_request(purchase=purchase, at=now + 10 * DAY)
    assert (refund.amount_micros, refund.reason) == (8 * EURO, "consent_narrowed")
    assert balance_micros(account_of(rich_ben)) == 46 * EURO
    with pytest.raises(errors.NothingToRefund):
        refund_on_request(purchase=purchase, at=now + 10 * DAY)
    assert unsound_accounts() == []


def test_who_buys_after_it_has_bought_the_narrower_terms(buy, listing, rich_ben, now):
    narrow(listing, now, resolution="1h")
    listing.consent.refresh_from_db()
    purchase = buy(kind="period", at=now + DAY)
    start_clock(purchase=purchase, at=now + DAY)
    purchase.refresh_from_db()
    with pytest.raises(errors.AlreadyDelivered):
        refund_on_request(purchase=purchase, at=now + 2 * DAY)
    assert not Refund.objects.exists()


def test_the_time_after_an_end_that_was_brought_forward_goes_back_by_itself(buy, listing, rich_ben, sara, now):
    purchase = buy(kind="period")
    start_clock(purchase=purchase, at=now)
    narrow(listing, now + DAY, valid_until=now + 10 * DAY)
    for day in range(1, 13):
        release_earnings(at=now + day * DAY)
    refund = Refund.objects.get()
    assert (refund.amount_micros, refund.reason) == (8 * EURO, "consent_narrowed")
    purchase.refresh_from_db()
    assert (purchase.released_micros, purchase.refunded_micros) == (4 * EURO, 8 * EURO)
    assert balance_micros(account_of(sara, "escrow")) == 0
    assert unsound_accounts() == []
