"""What the provider takes back leaves the wallet once, as far as it goes; the rest is owed, and covered first."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import uuid4

import pytest

from marketplace.accounts.models import User
from marketplace.notices.models import Notice
from marketplace.purchases.models import Purchase
from marketplace.wallet.gateway import receiving
from marketplace.wallet.gateway.errors import AccountHeld
from marketplace.wallet.gateway.models import Chargeback, EventOutcome, ProviderEvent
from marketplace.wallet.gateway.services import (
    cover_all_debts,
    follow_waiting_events,
    open_payee,
    owed_micros,
    pay_at_test_provider,
    request_payout,
)
from marketplace.wallet.models import TopUp, Transfer
from marketplace.wallet.services import (
    account_of,
    balance_micros,
    market_account,
    post_transfer,
    start_top_up,
    unsound_accounts,
)
from tests.builders import make_listing
from tests.builders_delivery import buy
from tests.builders_gateway import earn, say
from tests.builders_money import EURO, at_once, fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(ben: User, now: datetime) -> TopUp:
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=now)
    return pay_at_test_provider(top_up=top_up, answer="pay", at=now)


@pytest.fixture
def spent(paid: TopUp, ben: User, sara: User, now: datetime) -> TopUp:
    """Ben has five of the twenty-five euros left."""
    postings = [(account_of(ben), -20 * EURO), (account_of(sara, "payable"), 20 * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.RELEASE, postings=postings, reference=None, at=now)
    return paid


def has(user: User) -> int:
    return balance_micros(account_of(user))


def codes() -> list[tuple[str, str]]:
    return [(outcome.result, outcome.code) for outcome in EventOutcome.objects.order_by("event_id")]


def test_a_dispute_takes_the_money_back_once(paid: TopUp, ben: User, now: datetime) -> None:
    for _ in range(2):
        say(paid, "dispute.opened", now, id=uuid4())
    assert (has(ben), balance_micros(market_account("provider"))) == (0, 0)
    assert codes()[1:] == [("booked", ""), ("nothing", "taken_before")]
    assert Notice.objects.get(user=ben, kind="payment_failure").facts["reason"] == "charged_back"


@pytest.mark.parametrize("order", ["once", "twice", "reversed"])
def test_a_dispute_may_be_told_before_the_payment(ben: User, now: datetime, order: str) -> None:
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=now)
    pay_at_test_provider(top_up=top_up, answer="dispute", order=order, at=now)  # type: ignore[arg-type]  # of ORDERS
    assert (top_up.state, has(ben), Chargeback.objects.get().taken_micros) == ("paid", 0, 25 * EURO)
    assert {result for result, _ in codes()} == {"booked"}


def test_a_dispute_waits_for_its_payment(ben: User, now: datetime) -> None:
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=now)
    say(top_up, "dispute.opened", now)
    assert follow_waiting_events(at=now) == 0
    assert (ProviderEvent.objects.waiting().count(), Chargeback.objects.count()) == (1, 0)


def test_no_event_hides_behind_one_that_waits_for_ever(paid: TopUp, ben: User, now: datetime, monkeypatch) -> None:
    monkeypatch.setattr(receiving, "MOST_AT_ONCE", 1)
    unpaid = start_top_up(user=ben, amount_micros=25 * EURO, at=now)
    say(unpaid, "dispute.opened", now)
    for_ever = ProviderEvent.objects.waiting().get().pk
    with monkeypatch.context() as patch:
        patch.setattr(receiving, "outcome_of", lambda event, at: None)
        say(paid, "dispute.opened", now)
    assert ProviderEvent.objects.waiting().count() == 2
    assert sum(follow_waiting_events(at=now) for _ in range(60)) == 1
    assert ProviderEvent.objects.waiting().get().pk == for_ever


def test_a_dispute_names_its_payment_only(paid: TopUp, ben: User, now: datetime) -> None:
    body = {"reference": uuid4(), "id": uuid4()}
    say(paid, "dispute.opened", now, **body)
    assert (has(ben), ProviderEvent.objects.waiting().count()) == (25 * EURO, 1)


def test_what_the_wallet_lacks_is_owed_and_covered_first(spent: TopUp, ben: User, now: datetime) -> None:
    say(spent, "dispute.opened", now)
    assert (has(ben), owed_micros(ben)) == (0, 20 * EURO)
    fill_wallet(ben, 12, now)
    assert (has(ben), owed_micros(ben)) == (0, 8 * EURO)
    fill_wallet(ben, 12, now)
    assert (has(ben), owed_micros(ben)) == (4 * EURO, 0)
    assert unsound_accounts() == []


def test_other_money_covers_it_too(spent: TopUp, ben: User, now: datetime) -> None:
    say(spent, "dispute.opened", now)
    postings = [(market_account("provider"), -30 * EURO), (account_of(ben), 30 * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.REFUND, postings=postings, reference=None, at=now)
    assert [cover_all_debts(at=now) for _ in range(2)] == [1, 0]
    assert (has(ben), owed_micros(ben)) == (10 * EURO, 0)


def test_who_owes_buys_nothing_and_is_paid_nothing(
    spent: TopUp, ben: User, sara: User, mallory: User, now: datetime
) -> None:
    earn(ben, mallory, 30, now)
    open_payee(user=ben, return_address="", at=now)
    say(spent, "dispute.opened", now)
    with pytest.raises(AccountHeld):
        buy(make_listing(sara, now), ben, now)
    with pytest.raises(AccountHeld):
        request_payout(user=ben, amount_micros=None, idempotency_key=uuid4(), at=now)
    assert not Purchase.objects.exists()
    fill_wallet(ben, 50, now)
    assert buy(make_listing(sara, now), ben, now).price_micros


def test_a_dispute_that_is_won_gives_it_back(spent: TopUp, ben: User, now: datetime) -> None:
    say(spent, "dispute.opened", now)
    for _ in range(2):
        say(spent, "dispute.won", now, id=uuid4())
    assert (has(ben), owed_micros(ben), Chargeback.objects.get().state) == (5 * EURO, 0, "won")
    assert codes()[-2:] == [("booked", ""), ("nothing", "won_before")]


def test_a_dispute_that_is_lost_stays_taken(paid: TopUp, ben: User, now: datetime) -> None:
    for kind in ("dispute.opened", "dispute.lost", "dispute.lost"):
        say(paid, kind, now, id=uuid4())
    assert (has(ben), Chargeback.objects.get().state) == (0, "lost")


def test_won_before_it_was_opened_waits(paid: TopUp, ben: User, now: datetime) -> None:
    say(paid, "dispute.won", now)
    say(paid, "dispute.opened", now)
    assert (has(ben), Chargeback.objects.get().state) == (25 * EURO, "won")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_micros": 25 * EURO + 1}, "more_than_paid"),
        ({"amount_micros": 0}, "more_than_paid"),
        ({"amount_micros": -EURO}, "more_than_paid"),
        ({"currency": "USD"}, "currency_differs"),
    ],
    ids=["more", "zero", "negative", "currency"],
)
def test_what_does_not_fit_is_an_alarm(
    paid: TopUp, ben: User, now: datetime, changes: dict[str, object], code: str
) -> None:
    say(paid, "dispute.opened", now, **changes)
    assert (codes()[-1], has(ben), Chargeback.objects.count()) == (("alarm", code), 25 * EURO, 0)


def test_never_more_than_was_paid(paid: TopUp, ben: User, now: datetime) -> None:
    say(paid, "dispute.opened", now, amount_micros=20 * EURO)
    say(paid, "dispute.opened", now, id=uuid4(), object="dispute_two", amount_micros=6 * EURO)
    assert (codes()[-1], has(ben)) == (("alarm", "more_than_paid"), 5 * EURO)


@pytest.mark.django_db(transaction=True)
def test_a_dispute_heard_on_many_connections_takes_once(paid: TopUp, ben: User, now: datetime) -> None:
    at_once([partial(say, paid, "dispute.opened", now, id=uuid4()) for _ in range(8)])
    assert (has(ben), Transfer.objects.filter(kind="chargeback").count()) == (0, 1)
    assert unsound_accounts() == []


def test_a_refund_that_failed_takes_nothing_whichever_is_told_first(paid: TopUp, ben: User, now: datetime) -> None:
    """One that was made at the provider, so that nothing here knows of it."""
    for kind in ("refund.failed", "refund.paid", "refund.failed"):
        say(paid, kind, now, id=uuid4())
    assert has(ben) == 25 * EURO
    assert [code for _, code in codes()[-3:]] == ["refund_unknown", "failed_before", "refund_unknown"]
    assert not Chargeback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_refund_and_its_failure_told_at_once(ben: User, now: datetime) -> None:
    for _ in range(6):
        top_up = start_top_up(user=ben, amount_micros=5 * EURO, at=now)
        top_up = pay_at_test_provider(top_up=top_up, answer="pay", at=now)
        before = has(ben)
        at_once([partial(say, top_up, kind, now, id=uuid4()) for kind in ("refund.paid", "refund.failed")])
        assert has(ben) == before
    assert not unsound_accounts()
