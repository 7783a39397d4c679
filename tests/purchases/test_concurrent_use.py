"""What is paid or limited by rows, read by many connections at once: every row is counted, and no limit is passed."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest

from marketplace.listings.entries import PlanTerms
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import bill_usage, buy_listing, count_rows, set_cap, stop_metered
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO, make_listing
from tests.builders_money import at_once, fill_wallet

pytestmark = pytest.mark.django_db(transaction=True)

READERS = 16
BY_USE = PlanTerms("metered", micros_per_1000_rows=EURO)
TRIAL = PlanTerms("trial", trial_rows=100)


@pytest.fixture
def metered(sara, ben, buy, now):
    fill_wallet(ben, 50, now)
    return buy(listing=make_listing(sara, now, title="Cellar", plans=[BY_USE]))


def kinds(answers) -> list[str]:
    return sorted(type(answer).__name__ for answer in answers)


def test_sixteen_readers_at_once_are_all_counted(metered, ben, now):
    answers = at_once([partial(count_rows, purchase=metered, row_count=100 + n, at=now) for n in range(READERS)])
    assert answers == [None] * READERS
    assert metered.usage_months.get().row_count == sum(range(100, 100 + READERS)) == 1_720
    stop_metered(purchase=metered, at=now)
    bill_usage(at=now)
    assert balance_micros(account_of(ben)) == 50 * EURO - 1_720_000
    assert unsound_accounts() == []


def test_sixteen_readers_at_once_never_pass_the_own_cap(metered, now):
    """A read that would pass it is refused whole, so the month ends at the last read that fits."""
    set_cap(purchase=metered, cap_micros=2 * EURO, at=now)
    answers = at_once([partial(count_rows, purchase=metered, row_count=300, at=now)] * READERS)
    assert kinds(answers) == ["NoneType"] * 6 + ["UsageCapReached"] * 10
    assert metered.usage_months.get().row_count == 1_800


def test_sixteen_readers_of_two_purchases_never_read_more_than_the_wallet_holds(metered, sara, ben, buy, now):
    other = buy(listing=make_listing(sara, now, title="Attic", plans=[BY_USE]))
    answers = at_once([partial(count_rows, purchase=one, row_count=6_000, at=now) for one in (metered, other) * 8])
    assert kinds(answers) == ["NoneType"] * 8 + ["UsageNotCovered"] * 8
    assert sum(one.usage_months.get().row_count for one in (metered, other)) == 48_000


def test_reading_and_buying_at_once_never_spend_the_same_money(metered, sara, ben, listing, buy, now):
    acts = [partial(count_rows, purchase=metered, row_count=5_000, at=now), partial(buy, listing=listing)] * 8
    answers = at_once(acts)
    assert {type(answer) for answer in answers} <= {type(None), Purchase, errors.UsageNotCovered, InsufficientFunds}
    bought = sum(isinstance(answer, Purchase) for answer in answers)
    used = metered.usage_months.get().row_count * 1_000
    assert used == 5 * EURO * answers.count(None)
    assert balance_micros(account_of(ben)) == 50 * EURO - 5 * EURO * bought >= used
    assert bought + answers.count(None) == 10
    stop_metered(purchase=metered, at=now)
    bill_usage(at=now)
    assert (balance_micros(account_of(ben)), unsound_accounts()) == (0, [])


def test_a_trial_asked_for_sixteen_times_at_once_is_had_once(sara, ben, now):
    listing = make_listing(sara, now, title="Cellar", plans=[TRIAL])
    plan = listing.plans.get()

    def take() -> Purchase:
        return buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=0, at=now, idempotency_key=uuid4())

    assert kinds(at_once([take] * READERS)) == ["Purchase"] + ["TrialTaken"] * (READERS - 1)
    assert Purchase.objects.count() == 1


def test_sixteen_readers_of_a_trial_get_its_rows_and_no_more(sara, ben, buy, now):
    trial = buy(listing=make_listing(sara, now, title="Cellar", plans=[TRIAL]))
    answers = at_once([partial(count_rows, purchase=trial, row_count=30, at=now)] * READERS)
    assert kinds(answers) == ["NoneType"] * 3 + ["TrialUsedUp"] * 13
    trial.refresh_from_db()
    assert trial.row_count == 90
