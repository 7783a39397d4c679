"""A market that anything may happen to: what people, workers and the payment provider do, in any order."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ledger import first_answer
from ledger.reconciliation import reconcile
from ledger.services import sequence_batch
from marketplace.access.errors import AccessError
from marketplace.access.services import authorise, issue_token
from marketplace.errors import MarketError
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.books import find_differences
from marketplace.purchases.models import Order, Purchase, Refund
from marketplace.purchases.ordering import fill_orders, order_listing
from marketplace.purchases.services import (
    buy_listing,
    refund_on_request,
    release_earnings,
    start_clock,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.wallet.gateway.built_in import Answer, due_messages, signed
from marketplace.wallet.gateway.built_in import Order as Arrival
from marketplace.wallet.gateway.card_refunds import request_card_refund, send_card_refunds
from marketplace.wallet.gateway.models import CardRefund, Chargeback
from marketplace.wallet.gateway.receiving import follow_waiting_events, receive_webhook
from marketplace.wallet.gateway.sending import answer_card_refund_at_test_provider, pay_at_test_provider
from marketplace.wallet.models import Account, TopUp
from marketplace.wallet.services import (
    account_of,
    balance_micros,
    market_account,
    move_earnings,
    roll_up_balances,
    start_top_up,
)
from tests.builders import EURO, make_listing
from tests.conftest import make_person

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
PLANS = (PlanTerms("one_off", 5 * EURO), PlanTerms("period", 12_340_000, 30 * 86_400))
PERSON = st.integers(0, 2)
ANY = st.integers(0, 10**6)


class Market(RuleBasedStateMachine):
    """Two sell, three buy. An example is rolled back when it ends. steps: how many were taken in all examples."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.at = START
        self.listings: list[Listing] = []
        self.bought: list[tuple[Purchase, dict[str, Any]]] = []
        self.tokens: list[tuple[str, Purchase]] = []
        # The signer remembers the log of another example, which is gone.
        settings.LEDGER_MEMORY_FILE = Path(tempfile.gettempdir()) / f"{uuid4()}.memory"
        first_answer.forget()
        self.all = transaction.atomic()
        # The sequencer wants a transaction of its own and gets one inside ours, as in any other test.
        self.all._from_testcase = True  # type: ignore[attr-defined]  # django-stubs do not know it
        self.all.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.all.__exit__(None, None, None)
        settings.LEDGER_MEMORY_FILE.unlink(missing_ok=True)

    @initialize()
    def people_come(self) -> None:
        self.sellers = [make_person(f"seller-{uuid4().hex[:8]}") for _ in range(2)]
        self.buyers = [make_person(f"buyer-{uuid4().hex[:8]}") for _ in range(3)]
        self.offer(0)

    @rule(seller=st.integers(0, 1))
    def offer(self, seller: int) -> None:
        title = f"Listing {len(self.listings)}"
        self.listings.append(make_listing(self.sellers[seller], self.at, plans=PLANS, title=title))

    @rule(
        person=PERSON,
        euros=st.integers(1, 60),
        answer=st.sampled_from(get_args(Answer)),
        order=st.sampled_from(get_args(Arrival)),
    )
    def top_up(self, person: int, euros: int, answer: Answer, order: Arrival) -> None:
        wanted = start_top_up(user=self.buyers[person], amount_micros=euros * EURO, at=self.at)
        pay_at_test_provider(top_up=wanted, answer=answer, order=order, at=self.at)

    @rule()
    def webhooks_come(self) -> None:
        """Those that are due by now, each a second time as well."""
        for message in list(due_messages(self.at)):
            for _ in range(2):
                body, signature = signed(message, self.at)
                receive_webhook(provider="test", body=body, signature=signature, at=self.at)
        follow_waiting_events(at=self.at)

    @rule(person=PERSON, which=ANY, plan=st.integers(0, 1))
    def buy(self, person: int, which: int, plan: int) -> None:
        listing = self.listings[which % len(self.listings)]
        chosen, buyer = listing.plans.all()[plan], self.buyers[person]
        before = balance_micros(account_of(buyer))
        order = {"listing": listing, "plan": chosen, "buyer": buyer, "quoted_micros": chosen.price_micros}
        order["idempotency_key"] = uuid4()
        made = self.attempt(lambda: buy_listing(**order, at=self.at))  # type: ignore[arg-type]  # a dict of its arguments
        if made is None:
            assert before < chosen.price_micros or not self.is_live(listing)
            assert balance_micros(account_of(buyer)) == before
        else:
            assert self.is_live(listing)
            assert balance_micros(account_of(buyer)) == before - chosen.price_micros
            self.bought.append((made, order))

    @rule(person=PERSON, which=ANY, plan=st.integers(0, 1), answer=st.sampled_from(get_args(Answer)))
    def buy_with_what_the_wallet_lacks(self, person: int, which: int, plan: int, answer: Answer) -> None:
        listing = self.listings[which % len(self.listings)]
        chosen, buyer = listing.plans.all()[plan], self.buyers[person]
        wanted = {"listing": listing, "plan": chosen, "buyer": buyer, "quoted_micros": chosen.price_micros}
        wanted["idempotency_key"] = uuid4()
        made = self.attempt(lambda: order_listing(**wanted, at=self.at))  # type: ignore[arg-type]  # a dict of its arguments
        if isinstance(made, Purchase):
            self.bought.append((made, wanted))
        elif made is not None:
            assert order_listing(**wanted, at=self.at) == made  # type: ignore[arg-type]  # the same
            pay_at_test_provider(top_up=made.top_up, answer=answer, order="once", at=self.at)

    @rule()
    def the_worker_fills_orders(self) -> None:
        fill_orders(at=self.at)
        assert fill_orders(at=self.at) == 0
        known = {purchase.pk for purchase, _ in self.bought}
        for order in Order.objects.filter(purchase__isnull=False).exclude(purchase__in=known):
            assert order.purchase is not None
            wanted: dict[str, Any] = {"listing": order.listing, "plan": order.plan, "buyer": order.buyer}
            wanted |= {"quoted_micros": order.quoted_micros, "idempotency_key": order.public_id}
            self.bought.append((order.purchase, wanted))

    @precondition(lambda self: TopUp.objects.filter(state=TopUp.State.PAID).exists())
    @rule(which=ANY, cents=st.integers(1, 3_000))
    def take_money_back(self, which: int, cents: int) -> None:
        top_up = self.one_of(list(TopUp.objects.filter(state=TopUp.State.PAID).order_by("pk")), which)
        before, amount, key = balance_micros(account_of(top_up.user)), cents * 10_000, uuid4()
        terms = {"top_up": top_up, "amount_micros": amount, "kept_micros": 0, "idempotency_key": key, "at": self.at}
        made = self.attempt(lambda: request_card_refund(**terms))
        assert balance_micros(account_of(top_up.user)) == before - (amount if made else 0)
        if made is not None:
            assert request_card_refund(**terms) == made

    @rule()
    def the_worker_sends_money_back(self) -> None:
        send_card_refunds(at=self.at)

    @precondition(lambda self: CardRefund.objects.filter(state=CardRefund.State.SENT).exists())
    @rule(which=ANY, is_paid=st.booleans())
    def the_bank_answers(self, which: int, is_paid: bool) -> None:
        refund = self.one_of(list(CardRefund.objects.filter(state=CardRefund.State.SENT).order_by("pk")), which)
        answer_card_refund_at_test_provider(refund=refund, is_paid=is_paid, at=self.at)

    @precondition(lambda self: self.bought)
    @rule(which=ANY)
    def buy_again_with_the_same_key(self, which: int) -> None:
        made, order = self.one_of(self.bought, which)
        assert buy_listing(**order, at=self.at) == made

    @precondition(lambda self: self.bought)
    @rule(which=ANY)
    def take_a_token(self, which: int) -> None:
        purchase, _ = self.one_of(self.bought, which)
        sequence_batch(at=self.at)
        issued = self.attempt(lambda: issue_token(purchase=purchase, at=self.at))
        if issued is not None:
            self.tokens.append((issued[1], purchase))

    @precondition(lambda self: self.tokens)
    @rule(which=ANY)
    def read(self, which: int) -> None:
        token, purchase = self.one_of(self.tokens, which)
        if self.attempt(lambda: authorise(token=token, at=self.at)) is not None:
            assert start_clock(purchase=Purchase.objects.get(pk=purchase.pk), at=self.at)

    @precondition(lambda self: self.bought)
    @rule(which=ANY)
    def ask_the_price_back(self, which: int) -> None:
        purchase, _ = self.one_of(self.bought, which)
        before = balance_micros(account_of(purchase.buyer))
        made = self.attempt(lambda: refund_on_request(purchase=purchase, at=self.at))
        gained = balance_micros(account_of(purchase.buyer)) - before
        assert gained == (0 if made is None else purchase.price_micros)

    @rule(which=ANY)
    def withdraw_consent(self, which: int) -> None:
        listing = self.one_of(self.listings, which)
        withdraw_consent_with_refunds(consent=listing.consent, at=self.at)
        refunds = Refund.objects.count()
        withdraw_consent_with_refunds(consent=listing.consent, at=self.at)
        assert Refund.objects.count() == refunds
        assert not Purchase.objects.filter(listing=listing, disputed_at=None).holding().exists()

    @rule(which=ANY)
    def withdraw_listing(self, which: int) -> None:
        withdraw_listing_with_refunds(listing=self.one_of(self.listings, which), at=self.at)

    @rule(seller=st.integers(0, 1), cents=st.integers(1, 2_000))
    def move_earnings(self, seller: int, cents: int) -> None:
        person, amount = self.sellers[seller], cents * 10_000
        earned = balance_micros(account_of(person, Account.Kind.PAYABLE))
        moved = self.attempt(
            lambda: move_earnings(user=person, amount_micros=amount, idempotency_key=uuid4(), at=self.at)
        )
        assert (moved is not None) == (amount <= earned)

    @rule(seconds=st.integers(1, 12 * 86_400))
    def time_passes(self, seconds: int) -> None:
        self.at += timedelta(seconds=seconds)

    @rule()
    def the_worker_releases(self) -> None:
        release_earnings(at=self.at)

    @rule()
    def the_worker_rolls_up(self) -> None:
        roll_up_balances(at_least=1)

    @rule()
    def the_log_goes_on(self) -> None:
        while sequence_batch(at=self.at):
            pass

    @invariant()
    def books_are_right(self) -> None:
        Market.steps += 1
        connection.check_constraints()
        assert find_differences() == []
        paid = TopUp.objects.filter(state=TopUp.State.PAID).values_list("amount_micros", flat=True)
        taken_back = Chargeback.objects.values_list("taken_micros", flat=True)
        went_back = CardRefund.objects.exclude(state=CardRefund.State.FAILED).values_list("amount_micros", flat=True)
        assert balance_micros(market_account("provider")) == sum(taken_back) + sum(went_back) - sum(paid)
        came_in = TopUp.objects.filter(state=TopUp.State.PAID).aggregate(sum=Sum("amount_micros"))["sum"] or 0
        assert sum(went_back) <= came_in

    @invariant()
    def every_act_has_its_entry(self) -> None:
        # The short way to a device, in the tests' builders, enrols without an entry.
        found = [one for one in reconcile().differences if not one.kind.startswith("device.")]
        assert {"purchase.recorded", "refund.made", "consent.withdrawn"} <= {one.kind for one in found}
        assert [one for one in found if one.row_count or one.entry_count] == []

    @invariant()
    def nobody_reads_without_a_live_purchase_and_consent(self) -> None:
        for token, purchase in self.tokens:
            is_let_in = self.attempt(lambda text=token: authorise(token=text, at=self.at)) is not None  # type: ignore[misc]  # the loop's own
            fresh = Purchase.objects.select_related("listing__consent").get(pk=purchase.pk)
            listing, consent = fresh.listing, fresh.listing.consent
            is_live = listing.withdrawn_at is None and consent.withdrawn_at is None and consent.valid_until > self.at
            assert is_let_in == (is_live and fresh.is_active(self.at))

    def is_live(self, listing: Listing) -> bool:
        return Listing.objects.live_at(self.at).filter(pk=listing.pk).exists()

    def one_of(self, rows: list[Any], which: int) -> Any:
        return rows[which % len(rows)]

    def attempt(self, act: Callable[[], Any]) -> Any:
        """What an act gives; None when it was refused."""
        try:
            with transaction.atomic():
                return act()
        except (MarketError, AccessError):
            return None
