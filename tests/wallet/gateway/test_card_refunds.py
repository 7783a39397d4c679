"""What a buyer does not spend goes back to where it came from: once, and never more than came in by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from marketplace.accounts.models import User
from marketplace.erasure.errors import CardRefundUnderWay
from marketplace.erasure.outlook import obstacles_to
from marketplace.notices.models import Notice
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import may_take_back_micros, take_back_top_up
from marketplace.wallet.errors import AmountNotWholeCents, IdempotencyConflict, InsufficientFunds
from marketplace.wallet.gateway.built_in import TestGateway
from marketplace.wallet.gateway.card_refunds import send_card_refund
from marketplace.wallet.gateway.errors import (
    AccountHeld,
    CardRefundSettled,
    GatewayUnreachable,
    NotRefundable,
)
from marketplace.wallet.gateway.models import CardRefund, Chargeback, EventOutcome
from marketplace.wallet.gateway.services import (
    answer_card_refund_at_test_provider,
    owed_micros,
    pay_at_test_provider,
    reconcile,
    refundable_top_ups,
    send_card_refunds,
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
from tests.builders_gateway import say
from tests.builders_money import EURO, at_once, fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(ben: User, now: datetime) -> TopUp:
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=now)
    return pay_at_test_provider(top_up=top_up, answer="pay", at=now)


def spend(ben: User, sara: User, euros: int, now: datetime) -> None:
    postings = [(account_of(ben), -euros * EURO), (account_of(sara, "payable"), euros * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.RELEASE, postings=postings, reference=None, at=now)


def take_back(top_up: TopUp, now: datetime, euros: int = 10, key: UUID | None = None) -> CardRefund:
    return take_back_top_up(top_up=top_up, amount_micros=euros * EURO, idempotency_key=key or uuid4(), at=now)


def has(user: User) -> int:
    return balance_micros(account_of(user))


def at_provider() -> int:
    return -balance_micros(market_account("provider"))


def code() -> str:
    return EventOutcome.objects.latest("pk").code


def findings(now: datetime) -> list[object]:
    return list(reconcile(at=now + timedelta(hours=2)).findings)


def test_it_leaves_the_wallet_and_is_paid_back(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    assert (refund.state, refund.transfer.kind) == ("requested", "card_refund")
    assert (has(ben), at_provider()) == (15 * EURO, 15 * EURO)
    assert send_card_refunds(at=now) == 1
    refund = answer_card_refund_at_test_provider(refund=refund, is_paid=True, at=now)
    assert (refund.state, refund.settled_at, refund.object_id) == ("paid", now, f"refund_{refund.public_id}")
    assert (has(ben), may_take_back_micros(paid)) == (15 * EURO, 15 * EURO)
    assert Notice.objects.get(user=ben, kind="refund").facts["reason"] == "to_card"
    assert (unsound_accounts(), findings(now), Chargeback.objects.count()) == ([], [], 0)


def test_what_failed_is_in_the_wallet_again_once(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    send_card_refunds(at=now)
    for kind in ("refund.paid", "refund.failed", "refund.failed"):
        say(refund, kind, now, id=uuid4())
    refund.refresh_from_db()
    assert (refund.state, has(ben), at_provider(), code()) == ("failed", 25 * EURO, 25 * EURO, "failed_before")
    assert Transfer.objects.filter(kind="card_refund_return").count() == 1
    assert Notice.objects.filter(user=ben, kind="refund").latest("pk").facts["reason"] == "card_refused"
    assert (may_take_back_micros(paid), findings(now)) == (25 * EURO, [])


def test_paid_after_a_failure_is_an_alarm(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    say(refund, "refund.failed", now)
    say(refund, "refund.paid", now)
    assert (code(), has(ben)) == ("paid_after_failure", 25 * EURO)


def test_the_banks_answer_may_be_faster_than_ours_and_come_twice(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    for _ in range(2):
        say(refund, "refund.paid", now, id=uuid4())
    assert (send_card_refund(refund, at=now), code()) == (True, "paid_before")
    refund.refresh_from_db()
    assert (refund.state, has(ben)) == ("paid", 15 * EURO)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"amount_micros": EURO}, "amount_differs"),
        ({"currency": "USD"}, "amount_differs"),
    ],
    ids=["amount", "currency"],
)
def test_an_answer_that_does_not_fit_is_an_alarm(
    paid: TopUp, ben: User, now: datetime, changes: dict[str, object], expected: str
) -> None:
    refund = take_back(paid, now)
    say(refund, "refund.paid", now, **changes)
    refund.refresh_from_db()
    assert (refund.state, code(), has(ben)) == ("requested", expected, 15 * EURO)


@pytest.mark.parametrize(
    ("micros", "refusal"),
    [
        (0, NotRefundable),
        (-EURO, NotRefundable),
        (25 * EURO + 10_000, NotRefundable),
        (2**53 // 10_000 * 10_000, NotRefundable),
        (EURO + 1, AmountNotWholeCents),
    ],
)
def test_refuses_amounts(paid: TopUp, ben: User, now: datetime, micros: int, refusal: type[Exception]) -> None:
    fill_wallet(ben, 100, now)
    with pytest.raises(refusal):
        take_back_top_up(top_up=paid, amount_micros=micros, idempotency_key=uuid4(), at=now)
    assert (CardRefund.objects.count(), has(ben)) == (0, 125 * EURO)


def test_never_more_than_the_wallet_holds(paid: TopUp, ben: User, sara: User, now: datetime) -> None:
    spend(ben, sara, 20, now)
    assert may_take_back_micros(paid) == 5 * EURO
    with pytest.raises(InsufficientFunds):
        take_back(paid, now, 6)
    assert (CardRefund.objects.count(), take_back(paid, now, 5).state, has(ben)) == (0, "requested", 0)


def test_never_more_than_came_in_by_it(paid: TopUp, ben: User, now: datetime) -> None:
    fill_wallet(ben, 100, now)
    for euros in (10, 15):
        take_back(paid, now, euros)
    with pytest.raises(NotRefundable):
        take_back(paid, now, 1)
    assert (has(ben), refundable_top_ups(ben).count()) == (100 * EURO, 1)


def test_what_is_used_by_the_month_stays(paid: TopUp, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace.purchases.reserving.used_micros", lambda _: 20 * EURO)
    assert may_take_back_micros(paid) == 5 * EURO
    with pytest.raises(InsufficientFunds):
        take_back(paid, now, 6)
    assert take_back(paid, now, 5).state == "requested"


def test_a_top_up_that_is_not_paid_gives_nothing_back(ben: User, now: datetime) -> None:
    fill_wallet(ben, 100, now)
    with pytest.raises(NotRefundable):
        take_back(start_top_up(user=ben, amount_micros=25 * EURO, at=now), now)
    assert not CardRefund.objects.exists()


def test_nothing_goes_back_of_what_is_disputed(paid: TopUp, ben: User, now: datetime) -> None:
    fill_wallet(ben, 100, now)
    say(paid, "dispute.opened", now, amount_micros=5 * EURO)
    with pytest.raises(NotRefundable):
        take_back(paid, now)
    say(paid, "dispute.won", now, amount_micros=5 * EURO)
    assert may_take_back_micros(paid) == 25 * EURO


def test_who_owes_takes_nothing_back(paid: TopUp, ben: User, sara: User, now: datetime) -> None:
    other = start_top_up(user=ben, amount_micros=EURO, at=now)
    pay_at_test_provider(top_up=other, answer="pay", at=now)
    spend(ben, sara, 26, now)
    say(paid, "dispute.opened", now)
    with pytest.raises(AccountHeld):
        take_back(other, now, 1)


def test_a_dispute_of_what_went_back_is_an_alarm(paid: TopUp, ben: User, now: datetime) -> None:
    take_back(paid, now)
    send_card_refunds(at=now)
    say(paid, "dispute.opened", now)
    assert (code(), has(ben)) == ("more_than_paid", 15 * EURO)


def test_what_a_dispute_stops_covers_the_dispute(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    say(paid, "dispute.opened", now)
    assert owed_micros(ben) == 10 * EURO
    send_card_refunds(at=now)
    refund.refresh_from_db()
    assert (refund.state, refund.failure_code, has(ben), owed_micros(ben)) == ("failed", "charge_disputed", 0, 0)
    assert findings(now) == []


def test_a_repeat_takes_back_once(paid: TopUp, ben: User, now: datetime) -> None:
    key = uuid4()
    first = take_back(paid, now, 25, key)
    assert take_back(paid, now, 25, key) == first
    with pytest.raises(IdempotencyConflict):
        take_back(paid, now, 5, key)
    assert has(ben) == 0


def test_a_provider_that_does_not_answer_is_asked_again_later(
    paid: TopUp, ben: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> str:
        raise GatewayUnreachable

    refund = take_back(paid, now)
    with monkeypatch.context() as patch:
        patch.setattr(TestGateway, "send_card_refund", silent)
        assert send_card_refunds(at=now) == 0
    assert send_card_refunds(at=now) == 0
    assert send_card_refunds(at=now + timedelta(minutes=1)) == 1
    refund.refresh_from_db()
    assert (refund.state, refund.attempts, has(ben)) == ("sent", 1, 15 * EURO)


def test_answers_for_the_bank_once(paid: TopUp, now: datetime) -> None:
    refund = answer_card_refund_at_test_provider(refund=take_back(paid, now), is_paid=False, at=now)
    for is_paid in (True, False):
        with pytest.raises(CardRefundSettled):
            answer_card_refund_at_test_provider(refund=refund, is_paid=is_paid, at=now)


def test_an_account_with_money_on_its_way_back_stays(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now, 25)
    assert [type(obstacle) for obstacle in obstacles_to(ben)] == [CardRefundUnderWay]
    answer_card_refund_at_test_provider(refund=refund, is_paid=True, at=now)
    assert obstacles_to(ben) == []


def test_a_payment_that_nobody_named_is_given_back_to_the_wallet(ben: User, now: datetime) -> None:
    fill_wallet(ben, 25, now)
    top_up = TopUp.objects.get()
    TopUp.objects.update(public_id=uuid4())
    top_up.refresh_from_db()
    refund = take_back(top_up, now)
    send_card_refunds(at=now)
    refund.refresh_from_db()
    assert (refund.state, refund.failure_code, has(ben)) == ("failed", "payment_unknown", 25 * EURO)


@pytest.mark.parametrize("state", ["paid", "sent"])
def test_finds_what_nobody_told(paid: TopUp, now: datetime, state: str) -> None:
    take_back(paid, now)
    long_ago = now - timedelta(days=15)
    CardRefund.objects.update(state=state, sent_at=long_ago, settled_at=now if state == "paid" else None)
    titles = {
        "paid": "Something is paid back, and nobody told us so",
        "sent": "A payment back is on its way for too long",
    }
    assert [finding["title"] for finding in reconcile(at=now).findings] == [titles[state]]


def test_finds_another_amount_than_left_the_wallet(paid: TopUp, now: datetime) -> None:
    take_back(paid, now)
    CardRefund.objects.update(amount_micros=26 * EURO, state="sent", sent_at=now)
    assert [finding["title"] for finding in reconcile(at=now).findings] == [
        "What was paid back is not what left the wallet, less what came back",
        "More went back than a top-up brought",
        "The provider’s account is not top-ups less payouts, what was paid back and chargebacks",
    ]


@pytest.mark.django_db(transaction=True)
def test_many_requests_never_take_more_than_came_in(paid: TopUp, ben: User, now: datetime) -> None:
    fill_wallet(ben, 100, now)
    answers = at_once([partial(take_back, paid, now, 7)] * 8)
    assert {type(answer) for answer in answers} == {CardRefund, NotRefundable}
    assert (CardRefund.objects.count(), has(ben)) == (3, 104 * EURO)


@pytest.mark.django_db(transaction=True)
def test_one_request_on_many_connections_takes_back_once(paid: TopUp, ben: User, now: datetime) -> None:
    answers = at_once([partial(take_back, paid, now, 10, uuid4())] * 8)
    assert answers == [CardRefund.objects.get()] * 8
    assert has(ben) == 15 * EURO


@pytest.mark.django_db(transaction=True)
def test_the_same_money_is_spent_or_taken_back(ben: User, sara: User, now: datetime) -> None:
    fill_wallet(ben, 5, now)
    top_up, listing = TopUp.objects.get(), make_listing(sara, now)
    acts: list[Callable[[], object]] = [partial(buy, listing, ben, now), partial(take_back, top_up, now, 5)]
    answers = at_once(acts * 3)
    refusals = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refusals) == 5
    assert {type(refusal) for refusal in refusals} <= {InsufficientFunds, NotRefundable}
    assert (Purchase.objects.count() + CardRefund.objects.count(), has(ben)) == (1, 0)
    assert unsound_accounts() == []


@pytest.mark.django_db(transaction=True)
def test_a_failure_heard_on_many_connections_comes_back_once(paid: TopUp, ben: User, now: datetime) -> None:
    refund = take_back(paid, now)
    told = [partial(say, refund, "refund.failed", now, id=uuid4()) for _ in range(4)]
    acts: list[Callable[[], object]] = [*told, *[partial(send_card_refunds, at=now)] * 2]
    at_once(acts)
    assert (has(ben), Transfer.objects.filter(kind="card_refund_return").count()) == (25 * EURO, 1)
    assert unsound_accounts() == []


@pytest.mark.django_db(transaction=True)
def test_a_dispute_and_a_request_at_once_never_take_more_than_was_paid(paid: TopUp, ben: User, now: datetime) -> None:
    acts: list[Callable[[], object]] = [partial(say, paid, "dispute.opened", now), partial(take_back, paid, now, 25)]
    at_once(acts)
    send_card_refunds(at=now)
    assert not CardRefund.objects.standing().exists()
    assert (Chargeback.objects.get().taken_micros, has(ben), owed_micros(ben)) == (25 * EURO, 0, 0)
    assert unsound_accounts() == []
