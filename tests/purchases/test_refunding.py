"""A buyer who has loaded nothing gets the price back for the asking, in time and once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.access.errors import PurchaseRefunded
from marketplace.access.services import authorise, issue_token
from marketplace.notices.models import Notice
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import (
    refund_on_request,
    refund_undelivered,
    release_earnings,
    start_clock,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO
from tests.builders_money import at_once, fill_wallet

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


def refused(act, error, ben):
    before = balance_micros(account_of(ben)), OutboxRow.objects.count()
    with pytest.raises(error):
        act()
    assert (balance_micros(account_of(ben)), OutboxRow.objects.count()) == before


@pytest.mark.parametrize(("kind", "price"), [("one_off", 5), ("period", 12)])
def test_the_whole_price_goes_back_and_access_ends(buy, rich_ben, sara, now, kind, price):
    purchase = buy(kind=kind)
    sequence_batch(at=now)
    _, token = issue_token(purchase=purchase, at=now)
    refund = refund_on_request(purchase=purchase, at=now + 3 * DAY)
    assert (refund.amount_micros, refund.reason, refund.at) == (price * EURO, "on_request", now + 3 * DAY)
    assert balance_micros(account_of(rich_ben)) == 50 * EURO
    assert balance_micros(account_of(sara, "escrow")) == 0
    assert OutboxRow.objects.filter(kind="refund.made", entry_id=refund.entry_id).exists()
    purchase.refresh_from_db()
    assert (purchase.ended_at, purchase.held_micros, purchase.release_due_at) == (now + 3 * DAY, 0, None)
    with pytest.raises(PurchaseRefunded):
        authorise(token=token, at=now + 3 * DAY)
    assert unsound_accounts() == []
    notice = Notice.objects.get(user=rich_ben, kind="refund")
    assert (notice.facts["refund_micros"], notice.facts["reason"]) == (price * EURO, "on_request")


def test_asking_again_gives_nothing(buy, rich_ben, now):
    purchase = buy()
    refund_on_request(purchase=purchase, at=now)
    refused(lambda: refund_on_request(purchase=purchase, at=now), errors.NothingToRefund, rich_ben)


def test_what_was_loaded_is_not_given_back(buy, rich_ben, now):
    purchase = buy()
    assert start_clock(purchase=purchase, at=now)
    refused(lambda: refund_on_request(purchase=purchase, at=now), errors.AlreadyDelivered, rich_ben)


def test_the_time_to_ask_ends(buy, rich_ben, now):
    purchase = buy()
    refused(lambda: refund_on_request(purchase=purchase, at=now + 14 * DAY), errors.RefundTooLate, rich_ben)
    assert refund_on_request(purchase=purchase, at=now + 14 * DAY - timedelta(microseconds=1))


def test_a_period_goes_back_until_it_begins_by_itself(buy, rich_ben, now):
    purchase = buy(kind="period")
    refused(lambda: refund_on_request(purchase=purchase, at=now + 7 * DAY), errors.RefundTooLate, rich_ben)
    assert refund_on_request(purchase=purchase, at=now + 7 * DAY - timedelta(microseconds=1)).amount_micros == 12 * EURO


def test_what_was_free_has_nothing_to_give_back(buy, free_listing, ben, now):
    purchase = buy(listing=free_listing)
    refused(lambda: refund_on_request(purchase=purchase, at=now), errors.NothingToRefund, ben)


def test_what_a_dispute_is_about_waits_for_it(buy, rich_ben, now):
    purchase = buy()
    Purchase.objects.filter(pk=purchase.pk).update(disputed_at=now)
    refused(lambda: refund_on_request(purchase=purchase, at=now), errors.PurchaseDisputed, rich_ben)
    assert refund_undelivered(purchase=purchase, at=now + 5 * DAY) is None
    assert release_earnings(at=now + 20 * DAY) == 0


def test_what_never_came_is_given_back_once(buy, rich_ben, now):
    purchase = buy()
    refund = refund_undelivered(purchase=purchase, at=now + 5 * DAY)
    assert (refund.amount_micros, refund.reason) == (5 * EURO, "not_delivered")
    assert refund_undelivered(purchase=purchase, at=now + 5 * DAY) is None
    assert balance_micros(account_of(rich_ben)) == 50 * EURO


def test_what_came_is_not(buy, rich_ben, now):
    purchase = buy()
    start_clock(purchase=purchase, at=now)
    assert refund_undelivered(purchase=purchase, at=now + 5 * DAY) is None
    assert not Refund.objects.exists()


def test_after_a_refund_nothing_is_delivered(buy, rich_ben, now):
    stale, purchase = buy(), Purchase.objects.get()
    refund_on_request(purchase=purchase, at=now)
    assert not start_clock(purchase=stale, at=now)
    assert Purchase.objects.get().clock_started_at is None


@pytest.mark.parametrize("_", range(4))
def test_a_first_delivery_and_a_request_at_once_never_both_win(buy, rich_ben, now, _):
    purchase = buy()

    def deliver() -> object:
        return start_clock(purchase=Purchase.objects.get(), at=now)

    def ask() -> object:
        return refund_on_request(purchase=purchase, at=now)

    acts: list[Callable[[], object]] = [deliver, ask]
    delivered, answer = at_once(acts)
    is_refunded = isinstance(answer, Refund)
    assert delivered is not is_refunded
    assert is_refunded or isinstance(answer, errors.AlreadyDelivered)
    assert balance_micros(account_of(rich_ben)) == (50 if is_refunded else 45) * EURO


def test_eight_requests_and_a_withdrawal_at_once_give_back_once(buy, listing, ben, now):
    fill_wallet(ben, 5, now)
    purchase = buy()
    acts: list[Callable[[], object]] = [partial(refund_on_request, purchase=purchase, at=now)] * 8
    acts.append(partial(withdraw_consent_with_refunds, consent=listing.consent, at=now))
    answers = at_once(acts)
    assert Refund.objects.get().amount_micros == 5 * EURO
    assert sum(isinstance(answer, Refund) for answer in answers[:8]) <= 1
    assert {type(answer) for answer in answers[:8]} <= {Refund, errors.NothingToRefund}
    assert (balance_micros(account_of(ben)), unsound_accounts()) == (5 * EURO, [])
