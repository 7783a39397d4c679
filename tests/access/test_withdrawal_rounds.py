"""A withdrawal against sixteen who buy and sixteen who read, on real connections, round after round.

A few rounds here; WITHDRAWAL_ROUNDS=50 for a long look, which prints what happened in each.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F, Sum
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.access.errors import ConsentWithdrawn
from marketplace.access.services import authorise, issue_token
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.pricing import refund_micros
from marketplace.purchases.services import buy_listing, start_clock, withdraw_consent_with_refunds
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_money import at_once, fill_wallet
from tests.conftest import make_person

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = int(os.environ.get("WITHDRAWAL_ROUNDS", "2"))
CLIENTS = 16
BEGUN_SECONDS = 0.6
PRICE = 12_340_000
PLAN = PlanTerms("period", PRICE, 30 * 86_400)
SECOND = timedelta(seconds=1)


@dataclass
class Round:
    """began: when each act that succeeded was begun, by the monotonic clock."""

    listing: Listing
    is_answered: threading.Event = field(default_factory=threading.Event)
    answered_at: float = 0.0
    reads_began: list[float] = field(default_factory=list)
    sales_began: list[float] = field(default_factory=list)

    def until_refused(self, act: Callable[[], object], refusal: type[Exception], began: list[float]) -> type[Exception]:
        while True:
            start = time.monotonic()
            try:
                act()
            except refusal:
                return refusal
            began.append(start)

    def withdraw(self) -> Consent:
        time.sleep(BEGUN_SECONDS)
        withdrawn = withdraw_consent_with_refunds(consent=self.listing.consent, at=timezone.now())
        self.answered_at = time.monotonic()
        return withdrawn

    def buy(self, buyer: User) -> None:
        plan = self.listing.plans.get()
        buy_listing(
            listing=self.listing,
            plan=plan,
            buyer=buyer,
            quoted_micros=PRICE,
            at=timezone.now(),
            idempotency_key=uuid4(),
        )


@pytest.fixture
def wide_pool() -> Iterator[None]:
    """A connection for each client, all at once."""
    pool = connection.pool  # type: ignore[attr-defined]  # django-stubs do not know it yet
    before = pool.min_size, pool.max_size
    pool.resize(1, 2 * CLIENTS + 8)
    yield
    pool.resize(*before)


@pytest.mark.usefixtures("wide_pool")
def test_after_the_commit_nobody_reads_or_buys_and_every_refund_is_exact(sara: User) -> None:
    start = timezone.now() - timedelta(days=7)
    buyers = [make_person(f"buyer-{number}") for number in range(CLIENTS)]
    for number in range(ROUNDS):
        money = sum(balance_micros(account_of(buyer)) for buyer in buyers)
        for buyer in buyers:
            fill_wallet(buyer, 1_000, start)
        one = Round(make_listing(sara, start, plans=[PLAN], title=f"Round {number}"))
        bought = [buy(one.listing, buyer, start) for buyer in buyers]
        for purchase in bought:
            start_clock(purchase=purchase, at=start)
        tokens = [issue_token(purchase=purchase, at=start)[1] for purchase in bought]
        acts: list[Callable[[], object]] = [one.withdraw]
        for buyer, token in zip(buyers, tokens, strict=True):
            acts.append(partial(one.until_refused, partial(one.buy, buyer), ListingNotForSale, one.sales_began))
            acts.append(partial(one.until_refused, partial(read, token), ConsentWithdrawn, one.reads_began))
        consent, *answers = at_once(acts)
        assert isinstance(consent, Consent), consent
        assert answers == [ListingNotForSale, ConsentWithdrawn] * CLIENTS
        assert max(one.reads_began + one.sales_began) < one.answered_at
        spent = money + CLIENTS * 1_000 * EURO - sum(balance_micros(account_of(buyer)) for buyer in buyers)
        check_refunds(one, consent, spent)


def read(token: str) -> None:
    authorise(token=token, at=timezone.now())


def check_refunds(one: Round, consent: Consent, spent_micros: int) -> None:
    """To the micro, from each purchase's own times, and nothing is on hold any more."""
    purchases = list(Purchase.objects.filter(listing=one.listing))
    assert len(purchases) == CLIENTS + len(one.sales_began)
    refunds = dict(Refund.objects.filter(purchase__in=purchases).values_list("purchase", "amount_micros"))
    assert consent.withdrawn_at is not None
    due = {purchase.pk: expected(purchase, consent.withdrawn_at) for purchase in purchases}
    assert refunds == {pk: micros for pk, micros in due.items() if micros}
    totals = Purchase.objects.filter(listing=one.listing).aggregate(
        paid=Sum("price_micros"), back=Sum("refunded_micros"), earned=Sum("released_micros")
    )
    assert totals["back"] == sum(refunds.values())
    assert totals["earned"] == totals["paid"] - totals["back"] == spent_micros
    assert not Purchase.objects.exclude(price_micros=F("released_micros") + F("refunded_micros")).exists()
    entries = Refund.objects.filter(purchase__in=purchases).values("entry_id")
    assert OutboxRow.objects.filter(kind="refund.made", entry_id__in=entries).count() == len(refunds)
    assert unsound_accounts() == []
    if ROUNDS > 2:
        late = sum(purchase.purchased_at > consent.withdrawn_at for purchase in purchases)
        print(f"{len(one.reads_began)} reads, {len(purchases)} sold ({late} clicked after the withdrawal, sold before")
        print(f"  its commit); {totals['paid']} paid = {totals['back']} refunded + {totals['earned']} earned micros")


def expected(purchase: Purchase, at: datetime) -> int:
    """A clock that never started has used nothing."""
    used = 0 if purchase.clock_started_at is None else max(-((purchase.clock_started_at - at) // SECOND), 0)
    return refund_micros(PRICE, 30 * 86_400, 30 * 86_400 - used)
