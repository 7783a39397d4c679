"""What is paid by use is paid, however the buyer stops, starts, waits or changes the cap."""

from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest
from django.db import connection, transaction

from marketplace.listings.entries import PlanTerms
from marketplace.purchases.errors import CapInvalid, UsedThisMonth, UseEnded
from marketplace.purchases.models import Purchase, UsageMonth
from marketplace.purchases.services import (
    bill_usage,
    count_rows,
    set_cap,
    stop_metered,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet
from tests.purchases.test_usage import spend

BY_USE = PlanTerms("metered", micros_per_1000_rows=EURO, free_rows=0, cap_micros=40 * EURO)
NEXT_MONTH = datetime(2026, 4, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def metered(sara, rich_ben, buy, now):
    return buy(listing=make_listing(sara, now, title="Cellar", plans=[BY_USE]))


@pytest.mark.django_db
def test_a_cap_set_after_the_month_does_not_lower_its_bill(metered, now):
    count_rows(purchase=metered, row_count=15_000, at=now)
    with pytest.raises(CapInvalid):
        set_cap(purchase=metered, cap_micros=EURO // 100, at=NEXT_MONTH + SECOND)
    bill_usage(at=NEXT_MONTH + 2 * SECOND)
    assert Purchase.objects.get(continues=metered).price_micros == 15 * EURO
    assert set_cap(purchase=metered, cap_micros=EURO, at=NEXT_MONTH + 3 * SECOND).own_cap_micros == EURO


@pytest.mark.django_db(transaction=True)
def test_a_cap_waits_for_a_read_that_is_being_counted(metered, now):
    counted, said = Event(), []

    def lower() -> None:
        counted.wait(10)
        try:
            set_cap(purchase=metered, cap_micros=EURO // 100, at=now)
        except CapInvalid:
            said.append("refused")
        finally:
            connection.close()

    thread = Thread(target=lower)
    thread.start()
    with transaction.atomic():
        count_rows(purchase=metered, row_count=15_000, at=now)
        counted.set()
        thread.join(1)
    thread.join(20)
    bill_usage(at=NEXT_MONTH)
    assert (said, Purchase.objects.get(continues=metered).price_micros) == (["refused"], 15 * EURO)


@pytest.mark.django_db
def test_free_rows_and_cap_are_a_month_s_however_often_one_stops_and_starts(metered, buy, now):
    stop_metered(purchase=metered, at=now + SECOND)
    with pytest.raises(UsedThisMonth) as refused:
        buy(listing=metered.listing, at=now + 2 * SECOND)
    assert refused.value.details == {"again_from": "2026-04-01T00:00:00.000000Z"}
    assert Purchase.objects.count() == 1
    buy(listing=metered.listing, at=NEXT_MONTH)
    assert Purchase.objects.count() == 2


@pytest.mark.django_db
def test_nothing_is_counted_after_a_withdrawal(metered, rich_ben, now):
    """A read that was let in before the withdrawal and is counted after it: no file of it can be loaded."""
    stale = Purchase.objects.select_related("plan", "listing__consent", "buyer").get(pk=metered.pk)
    withdraw_consent_with_refunds(consent=metered.listing.consent, at=now)
    with pytest.raises(UseEnded):
        count_rows(purchase=stale, row_count=10_000, at=now)
    bill_usage(at=now + SECOND)
    assert (balance_micros(account_of(rich_ben)), UsageMonth.objects.get().row_count) == (50 * EURO, 0)


@pytest.mark.django_db
def test_rows_counted_behind_the_bill_are_billed_with_the_next(metered, now):
    count_rows(purchase=metered, row_count=1_000, at=now)
    bill_usage(at=NEXT_MONTH)
    count_rows(purchase=metered, row_count=9_000, at=NEXT_MONTH - SECOND)
    bill_usage(at=datetime(2026, 5, 1, tzinfo=UTC))
    assert sum(bill.price_micros for bill in Purchase.objects.filter(continues=metered)) == 10 * EURO


@pytest.mark.django_db
def test_a_bill_does_not_wait_behind_one_that_cannot_be_paid(sara, rich_ben, mallory, buy, now):
    fill_wallet(mallory, 20, now)
    listing = make_listing(sara, now, title="Cellar", plans=[BY_USE])
    poor, good = buy(listing=listing), buy(listing=listing, buyer=mallory)
    for purchase in (poor, good):
        count_rows(purchase=purchase, row_count=10_000, at=now)
    spend(rich_ben, sara, 50, now)
    for minute in range(3):
        bill_usage(at=NEXT_MONTH + timedelta(minutes=minute), most=1)
    assert Purchase.objects.filter(continues=good).count() == 1
