"""Purchases and withdrawals on real connections at once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest

from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from marketplace.listings.models import Listing
from marketplace.listings.services import withdraw_listing
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing, release_earnings
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO, make_listing
from tests.builders_money import at_once, fill_wallet
from tests.conftest import make_person

pytestmark = pytest.mark.django_db(transaction=True)


def test_sixteen_connections_buy_from_one_wallet_and_never_overspend(buy, ben, sara, now):
    fill_wallet(ben, 17, now)
    answers = at_once([buy] * 16)
    assert sum(isinstance(answer, Purchase) for answer in answers) == 3
    assert sum(isinstance(answer, InsufficientFunds) for answer in answers) == 13
    assert balance_micros(account_of(ben)) == 2 * EURO
    assert balance_micros(account_of(sara, "escrow")) == 15 * EURO
    assert (Purchase.objects.count(), unsound_accounts()) == (3, [])


def test_a_double_click_buys_once(buy, ben, now):
    fill_wallet(ben, 5, now)
    answers = at_once([partial(buy, idempotency_key=uuid4())] * 8)
    assert {answer.pk for answer in answers} == {Purchase.objects.get().pk}
    assert balance_micros(account_of(ben)) == 0


@pytest.mark.parametrize("withdrawn", ["listing", "consent"])
def test_a_purchase_is_either_before_a_withdrawal_or_refused(buy, listing, rich_ben, now, withdrawn):
    def withdraw() -> Listing | Consent:
        if withdrawn == "listing":
            return withdraw_listing(listing=listing, at=now)
        return withdraw_consent(consent=listing.consent, at=now)

    answers = at_once([buy, buy, withdraw, buy, buy])
    assert isinstance(answers.pop(2), Listing | Consent)
    assert {type(answer) for answer in answers} <= {Purchase, ListingNotForSale}
    bought = sum(isinstance(answer, Purchase) for answer in answers)
    assert (Purchase.objects.count(), balance_micros(account_of(rich_ben))) == (bought, (50 - 5 * bought) * EURO)
    with pytest.raises(ListingNotForSale):
        buy()


@pytest.fixture
def trades(now):
    """Four people, each of whom buys from each other one; nobody has a wallet yet."""
    people = [make_person(f"trader-{number}") for number in range(4)]
    listings = {person: make_listing(person, now) for person in people}

    def purchase(buyer: User, listing: Listing) -> Callable[[], Purchase]:
        plan = listing.plans.get()
        return lambda: buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=5 * EURO, at=now)

    return people, [purchase(one, listings[other]) for one in people for other in people if one != other]


def test_people_who_trade_with_each_other_for_the_first_time_do_not_deadlock(trades, now):
    people, acts = trades
    for person in people:
        fill_wallet(person, 15, now)
    assert all(isinstance(answer, Purchase) for answer in at_once(acts))
    assert [balance_micros(account_of(person, "escrow")) for person in people] == [15 * EURO] * 4
    assert release_earnings(at=now + timedelta(days=14)) == 12
    assert [balance_micros(account_of(person, "payable")) for person in people] == [3 * 4_600_000] * 4
    assert unsound_accounts() == []


def test_people_without_a_wallet_who_buy_from_each_other_are_told_so(trades):
    _, acts = trades
    assert {type(answer) for answer in at_once(acts)} == {InsufficientFunds}
    assert not Purchase.objects.exists()


def test_a_free_plan_taken_eight_times_at_once_is_one_purchase(free_listing, ben, now):
    plan = free_listing.plans.get()

    def take() -> Purchase:
        return buy_listing(listing=free_listing, plan=plan, buyer=ben, quoted_micros=0, at=now, idempotency_key=uuid4())

    answers = at_once([take] * 8)
    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyPurchased"] * 7 + ["Purchase"]
    assert Purchase.objects.count() == 1
