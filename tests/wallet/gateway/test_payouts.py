"""What sellers earned leaves once and arrives once, or comes back once."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from marketplace.accounts.models import User
from marketplace.erasure.errors import PayoutUnderWay
from marketplace.erasure.outlook import obstacles_to
from marketplace.notices.models import Notice
from marketplace.wallet.errors import AmountNotWholeCents, IdempotencyConflict, InsufficientFunds, ProviderUnknown
from marketplace.wallet.gateway.built_in import TestGateway
from marketplace.wallet.gateway.errors import (
    GatewayUnreachable,
    PayeeNotReady,
    PayoutSettled,
    PayoutTooSmall,
    ProviderRefused,
)
from marketplace.wallet.gateway.models import EventOutcome, Payout
from marketplace.wallet.gateway.payouts import request_scheduled_payouts, return_payout, send_payout
from marketplace.wallet.gateway.services import (
    answer_payout_at_test_provider,
    choose_schedule,
    open_payee,
    request_payout,
    send_payouts,
)
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, unsound_accounts
from tests.builders_gateway import earn, say
from tests.builders_money import EURO, at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def seller(sara: User, ben: User, now: datetime) -> User:
    """Sara earned thirty euros and said where they should go."""
    earn(sara, ben, 30, now)
    open_payee(user=sara, return_address="", at=now)
    return sara


def earned(user: User) -> int:
    return balance_micros(account_of(user, Account.Kind.PAYABLE))


def at_provider() -> int:
    return -balance_micros(market_account("provider"))


def ask(seller: User, now: datetime, euros: int = 20) -> Payout:
    return request_payout(user=seller, amount_micros=euros * EURO, idempotency_key=uuid4(), at=now)


def code() -> str:
    outcome = EventOutcome.objects.order_by("pk").last()
    assert outcome
    return outcome.code


def test_the_money_leaves_the_earnings_when_it_is_asked_for(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    assert (payout.state, payout.transfer.kind, payout.transfer.reference) == ("requested", "payout", payout.public_id)
    assert (earned(seller), at_provider()) == (10 * EURO, 10 * EURO)


def test_it_is_sent_and_paid(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    assert send_payouts(at=now) == 1
    payout.refresh_from_db()
    assert (payout.state, payout.sent_at) == ("sent", now)
    paid = answer_payout_at_test_provider(payout=payout, is_paid=True, at=now)
    assert (paid.state, paid.settled_at, earned(seller)) == ("paid", now, 10 * EURO)
    assert Notice.objects.get(user=seller, kind="payout").facts["state"] == "paid"
    assert unsound_accounts() == []


def test_what_failed_comes_back_once(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    send_payouts(at=now)
    failed = answer_payout_at_test_provider(payout=payout, is_paid=False, at=now)
    assert (failed.state, failed.returned_at, failed.is_coming_back) == ("failed", now, False)
    assert (earned(seller), at_provider()) == (30 * EURO, 30 * EURO)
    assert not return_payout(failed, at=now)
    assert send_payouts(at=now) == 0
    assert (earned(seller), Transfer.objects.filter(kind="payout_return").count()) == (30 * EURO, 1)
    assert Notice.objects.get(user=seller, kind="payout").facts["state"] == "failed"


def test_the_banks_answer_may_be_faster_than_ours(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    say(payout, "payout.paid", now)
    assert send_payout(payout, at=now)
    payout.refresh_from_db()
    assert (payout.state, payout.object_id) == ("paid", f"payout_{payout.public_id}")


def test_a_bank_may_refuse_what_it_took(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    send_payouts(at=now)
    for kind in ("payout.paid", "payout.failed", "payout.failed"):
        say(payout, kind, now)
    send_payouts(at=now)
    payout.refresh_from_db()
    assert (payout.state, payout.is_coming_back, earned(seller)) == ("failed", False, 30 * EURO)


def test_paid_after_a_failure_is_an_alarm(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    say(payout, "payout.failed", now)
    say(payout, "payout.paid", now)
    payout.refresh_from_db()
    assert (payout.state, code()) == ("failed", "paid_after_failure")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [({"amount_micros": EURO}, "amount_differs"), ({"reference": uuid4()}, "payout_unknown")],
    ids=["amount", "reference"],
)
def test_an_answer_that_does_not_fit_is_an_alarm(
    seller: User, now: datetime, changes: dict[str, object], expected: str
) -> None:
    payout = ask(seller, now)
    say(payout, "payout.paid", now, **changes)
    payout.refresh_from_db()
    assert (payout.state, code()) == ("requested", expected)


def test_a_repeat_asks_once(seller: User, now: datetime) -> None:
    key = uuid4()
    first = request_payout(user=seller, amount_micros=20 * EURO, idempotency_key=key, at=now)
    assert request_payout(user=seller, amount_micros=20 * EURO, idempotency_key=key, at=now) == first
    assert request_payout(user=seller, amount_micros=None, idempotency_key=key, at=now) == first
    with pytest.raises(IdempotencyConflict):
        request_payout(user=seller, amount_micros=10 * EURO, idempotency_key=key, at=now)
    assert earned(seller) == 10 * EURO


@pytest.mark.parametrize(
    ("micros", "refusal"),
    [
        (5 * EURO - 10_000, PayoutTooSmall),
        (0, PayoutTooSmall),
        (-EURO, PayoutTooSmall),
        (5 * EURO + 1, AmountNotWholeCents),
        (30 * EURO + 10_000, InsufficientFunds),
        (2**53 // 10_000 * 10_000, InsufficientFunds),
    ],
)
def test_refuses_amounts(seller: User, now: datetime, micros: int, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        request_payout(user=seller, amount_micros=micros, idempotency_key=uuid4(), at=now)
    assert (Payout.objects.count(), earned(seller)) == (0, 30 * EURO)


def test_refuses_who_never_said_where_to(sara: User, ben: User, now: datetime) -> None:
    earn(sara, ben, 30, now)
    with pytest.raises(PayeeNotReady):
        ask(sara, now)
    with pytest.raises(PayeeNotReady):
        choose_schedule(user=sara, schedule="weekly")
    assert not Payout.objects.exists()


def test_refuses_without_a_provider(seller: User, now: datetime, settings: object) -> None:
    payout = ask(seller, now)
    settings.PAYMENT_PROVIDER = "none"  # type: ignore[attr-defined]  # pytest-django's
    with pytest.raises(PayeeNotReady):
        ask(seller, now, 5)
    with pytest.raises(ProviderUnknown):
        open_payee(user=seller, return_address="", at=now)
    assert not send_payout(payout, at=now)
    assert Payout.objects.get().state == "requested"


def test_a_provider_that_does_not_answer_is_asked_again_later(
    seller: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    payout = ask(seller, now)

    def silent(_: TestGateway, payout: Payout) -> str:
        raise GatewayUnreachable

    with monkeypatch.context() as patch:
        patch.setattr(TestGateway, "send_payout", silent)
        assert send_payouts(at=now) == 0
    payout.refresh_from_db()
    assert (payout.state, payout.attempts, earned(seller)) == ("requested", 1, 10 * EURO)
    assert send_payouts(at=now) == 0
    assert send_payouts(at=now + timedelta(minutes=1)) == 1


def test_what_the_provider_refuses_comes_back(seller: User, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: TestGateway, payout: Payout) -> str:
        raise ProviderRefused(reason="account_closed")

    monkeypatch.setattr(TestGateway, "send_payout", refuse)
    payout = ask(seller, now)
    assert send_payouts(at=now) == 1
    payout.refresh_from_db()
    assert (payout.state, payout.failure_code, payout.is_coming_back) == ("failed", "account_closed", False)
    assert earned(seller) == 30 * EURO


def test_the_money_waits_until_the_provider_gave_it_back(
    seller: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: TestGateway, payout: Payout) -> None:
        raise GatewayUnreachable

    payout = ask(seller, now)
    send_payouts(at=now)
    with monkeypatch.context() as patch:
        patch.setattr(TestGateway, "take_back", silent)
        failed = answer_payout_at_test_provider(payout=payout, is_paid=False, at=now)
    assert (failed.is_coming_back, earned(seller)) == (True, 10 * EURO)
    assert send_payouts(at=now + timedelta(minutes=1)) == 1
    assert earned(seller) == 30 * EURO


def test_once_a_week_whoever_wants_it(seller: User, ben: User, now: datetime) -> None:
    assert request_scheduled_payouts(at=now) == 0
    choose_schedule(user=seller, schedule="weekly")
    for _ in range(2):
        request_scheduled_payouts(at=now)
    assert (Payout.objects.get().amount_micros, earned(seller)) == (30 * EURO, 0)
    earn(seller, ben, 6, now)
    assert request_scheduled_payouts(at=now + timedelta(days=7)) == 1
    assert request_scheduled_payouts(at=now + timedelta(days=14)) == 0


def test_answers_for_the_bank_once(seller: User, now: datetime) -> None:
    payout = answer_payout_at_test_provider(payout=ask(seller, now), is_paid=False, at=now)
    for is_paid in (True, False):
        with pytest.raises(PayoutSettled):
            answer_payout_at_test_provider(payout=payout, is_paid=is_paid, at=now)


def test_an_account_with_a_payout_under_way_stays(seller: User, now: datetime) -> None:
    payout = ask(seller, now, 30)
    assert PayoutUnderWay in [type(obstacle) for obstacle in obstacles_to(seller)]
    answer_payout_at_test_provider(payout=payout, is_paid=True, at=now)
    assert PayoutUnderWay not in [type(obstacle) for obstacle in obstacles_to(seller)]


@pytest.mark.django_db(transaction=True)
def test_many_requests_never_take_more_than_was_earned(seller: User, now: datetime) -> None:
    answers = at_once([partial(ask, seller, now, 7)] * 8)
    made = [answer for answer in answers if isinstance(answer, Payout)]
    assert {type(answer) for answer in answers} == {Payout, InsufficientFunds}
    assert (len(made), earned(seller)) == (4, 2 * EURO)


@pytest.mark.django_db(transaction=True)
def test_one_request_on_many_connections_is_one_payout(seller: User, now: datetime) -> None:
    act = partial(request_payout, user=seller, amount_micros=20 * EURO, idempotency_key=uuid4(), at=now)
    assert {answer.public_id for answer in at_once([act] * 8)} == {Payout.objects.get().public_id}
    assert earned(seller) == 10 * EURO


@pytest.mark.django_db(transaction=True)
def test_a_failure_heard_on_many_connections_comes_back_once(seller: User, now: datetime) -> None:
    payout = ask(seller, now)
    at_once(
        [partial(say, payout, "payout.failed", now, id=uuid4()) for _ in range(4)] + [partial(send_payouts, at=now)]
    )
    at_once([partial(return_payout, payout, at=now)] * 4)
    assert (earned(seller), Transfer.objects.filter(kind="payout_return").count()) == (30 * EURO, 1)
    assert unsound_accounts() == []
