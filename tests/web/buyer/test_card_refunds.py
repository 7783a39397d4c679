"""A buyer's way to take unspent money back, page by page; the stranger sees nothing of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.purchases.services import take_back_top_up
from marketplace.wallet.gateway.models import CardRefund
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import account_of, balance_micros
from tests.builders_gateway import say
from tests.builders_money import EURO, fill_wallet

LIST = "/wallet/refunds/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def at() -> datetime:
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def top_up(ben: User, at: datetime) -> TopUp:
    fill_wallet(ben, 25, at)
    return TopUp.objects.get()


@pytest.fixture
def refund(top_up: TopUp, at: datetime) -> CardRefund:
    return take_back_top_up(top_up=top_up, amount_micros=10 * EURO, idempotency_key=uuid4(), at=at)


def add(top_up: TopUp) -> str:
    return f"/wallet/top-ups/{top_up.public_id}/refund/"


def test_asks_shows_and_does_it_once(as_ben: Client, top_up: TopUp, ben: User) -> None:
    assert add(top_up) in as_ben.get(LIST).content.decode()
    assert "EUR\N{NO-BREAK SPACE}25.00" in as_ben.get(add(top_up)).content.decode()
    shown = as_ben.get(add(top_up), {"amount": "12.40"})
    assert "Take back EUR\N{NO-BREAK SPACE}12.40" in shown.content.decode()
    sent = {name: shown.context["form"].initial[name] for name in ("amount_micros", "idempotency_key")}
    answers = [as_ben.post(add(top_up), sent) for _ in range(2)]
    refund = CardRefund.objects.get()
    assert [answer["Location"] for answer in answers] == [f"{LIST}{refund.public_id}/"] * 2
    assert (refund.amount_micros, balance_micros(account_of(ben))) == (12_400_000, 12_600_000)


def test_all_of_it_when_no_amount_is_said(as_ben: Client, top_up: TopUp) -> None:
    shown = as_ben.get(add(top_up), {"amount": ""})
    assert shown.context["form"].initial["amount_micros"] == 25 * EURO


@pytest.mark.parametrize(
    ("amount", "words"),
    [("25.01", "more than can go back"), ("0", "at least EUR 0.01"), ("1.234", "whole cents"), ("1e3", "as a number")],
)
def test_refuses_amounts_at_the_field(as_ben: Client, top_up: TopUp, amount: str, words: str) -> None:
    answer = as_ben.get(add(top_up), {"amount": amount})
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not CardRefund.objects.exists()


@pytest.mark.parametrize("micros", [26 * EURO, 0, -1, "x", 10_001])
def test_refuses_amounts_that_nobody_was_shown(as_ben: Client, top_up: TopUp, micros: object) -> None:
    answer = as_ben.post(add(top_up), {"amount_micros": micros, "idempotency_key": uuid4()})
    assert (answer["Location"], CardRefund.objects.count()) == (LIST, 0)


def test_says_when_nothing_can_go_back(as_ben: Client, top_up: TopUp, at: datetime) -> None:
    say(top_up, "dispute.opened", at)
    assert "Nothing of this payment can go back" in as_ben.get(add(top_up)).content.decode()
    assert add(top_up) not in as_ben.get(LIST).content.decode()


@pytest.mark.parametrize(("answer", "state", "euros"), [("paid", "paid", 15), ("failed", "failed", 25)])
def test_the_built_in_provider_asks_what_the_bank_says(
    as_ben: Client, refund: CardRefund, ben: User, answer: str, state: str, euros: int
) -> None:
    for _ in range(2):
        as_ben.post(f"{LIST}{refund.public_id}/answer/", {"answer": answer})
    refund.refresh_from_db()
    assert (refund.state, balance_micros(account_of(ben))) == (state, euros * EURO)
    assert as_ben.get(f"{LIST}{refund.public_id}/").status_code == 200


def test_a_stranger_finds_nothing(as_mallory: Client, refund: CardRefund, top_up: TopUp) -> None:
    page = f"{LIST}{refund.public_id}/"
    sent = {"amount_micros": EURO, "idempotency_key": uuid4()}
    assert as_mallory.get(page).status_code == as_mallory.get(add(top_up)).status_code == 404
    assert as_mallory.post(add(top_up), sent).status_code == 404
    assert as_mallory.post(f"{page}answer/", {"answer": "failed"}).status_code == 404
    assert str(top_up.public_id) not in as_mallory.get(LIST).content.decode()
    refund.refresh_from_db()
    assert (refund.state, CardRefund.objects.count()) == ("requested", 1)


def test_nobody_without_a_name(client: Client, refund: CardRefund, top_up: TopUp) -> None:
    for address in (LIST, add(top_up), f"{LIST}{refund.public_id}/"):
        assert client.get(address)["Location"].startswith("/accounts/login/")
