"""What is paid by use: counted before it is delivered, stopped at caps, billed by the calendar month."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from ledger.models import OutboxRow
from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.notices.models import Notice
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase, PurchaseChange, UsageMonth
from marketplace.purchases.services import (
    bill_usage,
    count_rows,
    release_earnings,
    renew_due,
    reprice_and_tell,
    set_cap,
    start_clock,
    stop_metered,
    usage_now,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.services import owed_micros
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros, move_earnings, post_transfer, unsound_accounts
from tests.builders import EURO, make_listing
from tests.builders_gateway import earn, say
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
BY_USE = PlanTerms("metered", micros_per_1000_rows=EURO, free_rows=500, cap_micros=20 * EURO)
NEXT_MONTH = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def metered(sara, rich_ben, buy, now):
    return buy(listing=make_listing(sara, now, title="Cellar", plans=[BY_USE]))


def spend(buyer: User, other: User, euros: int, at: datetime) -> None:
    """Past all checks, as what a provider takes back goes past them."""
    postings = [(account_of(buyer), -euros * EURO), (account_of(other), euros * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.CHARGEBACK, postings=postings, reference=None, at=at)


def rows(purchase: Purchase) -> list[int]:
    return list(purchase.usage_months.order_by("starts_at").values_list("row_count", flat=True))


def test_nothing_is_paid_at_the_start(metered, rich_ben, now):
    assert (metered.price_micros, metered.transfer, metered.window_from) == (0, None, None)
    assert metered.access_until == metered.listing.consent.valid_until
    month = metered.usage_months.get()
    assert (month.starts_at, month.ends_at) == (now, NEXT_MONTH)


def test_a_month_is_billed_when_it_is_over(metered, sara, rich_ben, now):
    count_rows(purchase=metered, row_count=400, at=now)
    count_rows(purchase=metered, row_count=2_100, at=now + timedelta(hours=1))
    assert usage_now(metered, now).bill.charge_micros == 2 * EURO
    assert bill_usage(at=NEXT_MONTH - timedelta(seconds=1)) == 0
    bill_usage(at=NEXT_MONTH)
    bill_usage(at=NEXT_MONTH)
    bill = Purchase.objects.get(continues=metered)
    assert (bill.price_micros, bill.row_count, bill.transfer.kind) == (2 * EURO, 2_500, "usage")
    assert (bill.window_from, bill.window_until) == (now, NEXT_MONTH)
    assert balance_micros(account_of(rich_ben)) == 48 * EURO
    release_earnings(at=NEXT_MONTH)
    assert balance_micros(account_of(sara, "payable")) == 1_840_000
    assert unsound_accounts() == []
    assert rows(metered) == [2_500, 0]


def test_a_month_without_a_charge_makes_no_bill(metered, now):
    count_rows(purchase=metered, row_count=500, at=now)
    bill_usage(at=NEXT_MONTH)
    assert Purchase.objects.count() == 1
    assert UsageMonth.objects.filter(billed_at=NEXT_MONTH).count() == 1


def test_the_base_fee_counts_by_the_second(sara, rich_ben, buy, now):
    terms = PlanTerms("metered", micros_per_1000_rows=EURO, base_micros=31 * EURO // 10)
    purchase = buy(listing=make_listing(sara, now, title="Cellar", plans=[terms]))
    bill_usage(at=NEXT_MONTH)
    seconds = int((NEXT_MONTH - now).total_seconds())
    month = 31 * 86_400
    assert Purchase.objects.get(continues=purchase).price_micros == 3_100_000 - 3_100_000 * (month - seconds) // month


def test_the_own_cap_stops_reading_until_the_next_month(metered, now):
    set_cap(purchase=metered, cap_micros=2 * EURO, at=now)
    count_rows(purchase=metered, row_count=2_500, at=now)
    with pytest.raises(errors.UsageCapReached) as caught:
        count_rows(purchase=metered, row_count=1, at=now)
    assert caught.value.code == "usage_cap_reached"
    assert rows(metered) == [2_500]
    count_rows(purchase=metered, row_count=2_000, at=NEXT_MONTH)
    assert rows(metered) == [2_500, 2_000]


def test_a_raised_cap_lets_reading_go_on(metered, now):
    set_cap(purchase=metered, cap_micros=2 * EURO, at=now)
    count_rows(purchase=metered, row_count=2_500, at=now)
    set_cap(purchase=metered, cap_micros=3 * EURO, at=now)
    count_rows(purchase=metered, row_count=1_000, at=now)
    set_cap(purchase=metered, cap_micros=None, at=now)
    assert PurchaseChange.objects.filter(kind="cap_set").count() == 3


@pytest.mark.parametrize("cap", [0, -EURO, 15_000, 2_000_000 * EURO, EURO])
def test_refuses_what_is_no_cap(metered, now, cap):
    count_rows(purchase=metered, row_count=2_500, at=now)
    before = OutboxRow.objects.count()
    with pytest.raises(errors.CapInvalid):
        set_cap(purchase=metered, cap_micros=cap, at=now)
    metered.refresh_from_db()
    assert (metered.own_cap_micros, OutboxRow.objects.count()) == (None, before)


def test_the_plans_cap_lets_reading_go_on_for_nothing(metered, now):
    count_rows(purchase=metered, row_count=10_000_000, at=now)
    count_rows(purchase=metered, row_count=10_000_000, at=now)
    bill_usage(at=NEXT_MONTH)
    assert Purchase.objects.get(continues=metered).price_micros == 20 * EURO


def test_nothing_is_delivered_that_the_wallet_does_not_hold(sara, ben, buy, now):
    fill_wallet(ben, 2, now)
    purchase = buy(listing=make_listing(sara, now, title="Cellar", plans=[BY_USE]))
    other = buy(listing=make_listing(sara, now, title="Attic", plans=[BY_USE]))
    count_rows(purchase=purchase, row_count=1_500, at=now)
    with pytest.raises(errors.UsageNotCovered) as caught:
        count_rows(purchase=other, row_count=1_501, at=now)
    assert caught.value.details["missing_micros"] == 1_000
    # The next thousand rows have to be covered too.
    with pytest.raises(errors.UsageNotCovered):
        count_rows(purchase=purchase, row_count=600, at=now + DAY) or count_rows(
            purchase=purchase, row_count=1, at=now + DAY
        )
    assert rows(other) == [0]


def test_what_was_read_buys_nothing_else(metered, rich_ben, buy, listing, now):
    count_rows(purchase=metered, row_count=8_500, at=now)
    for _ in range(8):
        buy(listing=listing)
    before = Purchase.objects.count(), OutboxRow.objects.count()
    with pytest.raises(InsufficientFunds) as caught:
        buy(listing=listing)
    assert caught.value.details["missing_micros"] == 3 * EURO
    assert (Purchase.objects.count(), OutboxRow.objects.count()) == before
    bill_usage(at=NEXT_MONTH)
    assert balance_micros(account_of(rich_ben)) == 2 * EURO


def test_what_was_read_renews_nothing_else(metered, sara, rich_ben, buy, now):
    monthly = PlanTerms("period", 40 * EURO, 10 * 86_400, is_renewing=True)
    subscription = buy(listing=make_listing(sara, now, title="Attic", plans=[monthly]))
    start_clock(purchase=subscription, at=now)
    fill_wallet(rich_ben, 31, now)
    count_rows(purchase=metered, row_count=2_500, at=now)
    renew_due(at=now + 10 * DAY)
    assert Notice.objects.filter(kind="payment_failure", user=rich_ben).count() == 1
    assert balance_micros(account_of(rich_ben)) == 41 * EURO


def test_who_owes_what_the_bank_took_back_reads_and_renews_nothing(metered, sara, rich_ben, mallory, buy, now):
    monthly = PlanTerms("period", 10 * EURO, 10 * 86_400, is_renewing=True)
    subscription = buy(listing=make_listing(sara, now, title="Attic", plans=[monthly]))
    start_clock(purchase=subscription, at=now)
    count_rows(purchase=metered, row_count=2_500, at=now)
    spend(rich_ben, mallory, 38, now)
    say(rich_ben.top_ups.get(), "dispute.opened", now)
    assert owed_micros(rich_ben) == 48 * EURO
    earn(rich_ben, mallory, 20, now)
    move_earnings(user=rich_ben, amount_micros=None, idempotency_key=uuid4(), at=now)
    with pytest.raises(errors.UsageNotCovered) as caught:
        count_rows(purchase=metered, row_count=1, at=now)
    assert caught.value.details["missing_micros"] == 31 * EURO
    renew_due(at=now + 10 * DAY)
    assert not Purchase.objects.filter(continues=subscription).exists()
    assert PurchaseChange.objects.filter(purchase=subscription, kind="lapsed").count() == 1


def test_a_bill_that_the_wallet_lacks_is_told_once_and_tried_again(metered, rich_ben, mallory, now):
    """The wallet keeps what is owed, but not from the payment provider."""
    count_rows(purchase=metered, row_count=10_500, at=now)
    spend(rich_ben, mallory, 45, now)
    bill_usage(at=NEXT_MONTH)
    bill_usage(at=NEXT_MONTH + DAY)
    assert Notice.objects.filter(kind="payment_failure", user=rich_ben).count() == 1
    assert balance_micros(account_of(rich_ben)) == 5 * EURO
    with pytest.raises(errors.UsageNotCovered):
        count_rows(purchase=metered, row_count=1, at=NEXT_MONTH + DAY)
    fill_wallet(rich_ben, 20, now)
    bill_usage(at=NEXT_MONTH + 2 * DAY)
    assert balance_micros(account_of(rich_ben)) == 15 * EURO
    assert Purchase.objects.get(continues=metered).price_micros == 10 * EURO


def test_stopping_bills_what_was_used(metered, rich_ben, now):
    count_rows(purchase=metered, row_count=1_500, at=now)
    stop_metered(purchase=metered, at=now + DAY)
    bill_usage(at=now + DAY)
    assert balance_micros(account_of(rich_ben)) == 49 * EURO
    assert not UsageMonth.objects.filter(billed_at=None).exists()
    with pytest.raises(errors.NotMetered):
        stop_metered(purchase=metered, at=now + 2 * DAY)


def test_a_withdrawal_bills_what_was_used(metered, rich_ben, now):
    count_rows(purchase=metered, row_count=1_500, at=now)
    withdraw_consent_with_refunds(consent=metered.listing.consent, at=now + DAY)
    bill_usage(at=now + DAY)
    assert balance_micros(account_of(rich_ben)) == 49 * EURO


def test_a_new_price_holds_from_the_next_month(metered, rich_ben, now):
    count_rows(purchase=metered, row_count=1_500, at=now)
    reprice_and_tell(plan=metered.plan, terms=PlanTerms("metered", micros_per_1000_rows=3 * EURO), at=now)
    assert Notice.objects.filter(kind="price_change", user=rich_ben).count() == 1
    count_rows(purchase=metered, row_count=1_000, at=now)
    count_rows(purchase=metered, row_count=1_000, at=NEXT_MONTH)
    bill_usage(at=NEXT_MONTH)
    bill_usage(at=datetime(2026, 5, 1, tzinfo=UTC))
    charged = Purchase.objects.filter(continues=metered).order_by("window_from").values_list("price_micros", flat=True)
    assert list(charged) == [2 * EURO, 3 * EURO]


def test_a_metered_plan_is_had_once_at_a_time(metered, buy, now):
    with pytest.raises(errors.AlreadyPurchased):
        buy(listing=metered.listing)
    stop_metered(purchase=metered, at=now + DAY)
    next_month = datetime(2026, 4, 1, tzinfo=UTC)
    assert buy(listing=metered.listing, at=next_month).pk != metered.pk


def test_what_is_not_metered_has_no_meter(buy, rich_ben, now):
    purchase = buy()
    count_rows(purchase=purchase, row_count=10**9, at=now)
    assert usage_now(purchase, now) is None
    with pytest.raises(errors.NotMetered):
        set_cap(purchase=purchase, cap_micros=EURO, at=now)


def test_a_trial_by_rows_ends_with_them(sara, ben, buy, now):
    trial = buy(listing=make_listing(sara, now, title="Cellar", plans=[PlanTerms("trial", trial_rows=100)]))
    count_rows(purchase=trial, row_count=60, at=now)
    with pytest.raises(errors.TrialUsedUp):
        count_rows(purchase=trial, row_count=41, at=now)
    count_rows(purchase=trial, row_count=40, at=now)
    trial.refresh_from_db()
    assert trial.row_count == 100
