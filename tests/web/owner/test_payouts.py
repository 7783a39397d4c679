"""A seller's way to the bank, page by page; the stranger sees nothing of it."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest
from django.test import Client

from marketplace.accounts.models import User
from marketplace.wallet.gateway.models import Payee, Payout
from marketplace.wallet.gateway.services import request_payout
from tests.builders_gateway import earn
from tests.builders_money import EURO

LIST, ADD = "/sales/payouts/", "/sales/payouts/add/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def as_sara(client: Client, sara: User, ben: User, now: datetime) -> Client:
    earn(sara, ben, 30, now)
    client.force_login(sara)
    return client


@pytest.fixture
def payout(as_sara: Client, sara: User, now: datetime) -> Payout:
    as_sara.post("/sales/payouts/payee/")
    return request_payout(user=sara, amount_micros=20 * EURO, idempotency_key=uuid4(), at=now)


def test_sets_up_asks_and_confirms(as_sara: Client) -> None:
    assert "Set up payouts" in as_sara.get(LIST).content.decode()
    assert as_sara.post("/sales/payouts/payee/")["Location"] == LIST
    shown = as_sara.get(ADD, {"amount": "12.40"})
    assert "Pay out EUR\N{NO-BREAK SPACE}12.40" in shown.content.decode()
    sent = {name: shown.context["form"].initial[name] for name in ("amount_micros", "idempotency_key")}
    answers = [as_sara.post(ADD, sent) for _ in range(2)]
    payout = Payout.objects.get()
    assert [answer["Location"] for answer in answers] == [f"{LIST}{payout.public_id}/"] * 2
    assert payout.amount_micros == 12_400_000


def test_everything_is_shown_when_no_amount_is_said(as_sara: Client) -> None:
    as_sara.post("/sales/payouts/payee/")
    assert "EUR\N{NO-BREAK SPACE}30.00" in as_sara.get(ADD).content.decode()


@pytest.mark.parametrize(
    ("amount", "words"),
    [("4.99", "at least EUR 5"), ("30.01", "not earned that much"), ("-1", "at least EUR 5"), ("1e3", "as a number")],
)
def test_refuses_amounts_at_the_field(as_sara: Client, amount: str, words: str) -> None:
    as_sara.post("/sales/payouts/payee/")
    answer = as_sara.get(ADD, {"amount": amount})
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not Payout.objects.exists()


def test_nothing_leaves_before_it_is_said_where_to(as_sara: Client) -> None:
    as_sara.post(ADD, {"amount_micros": 20 * EURO, "idempotency_key": uuid4()})
    assert not Payout.objects.exists()


@pytest.mark.parametrize(("answer", "state"), [("paid", "paid"), ("failed", "failed")])
def test_the_built_in_provider_asks_what_the_bank_says(
    as_sara: Client, payout: Payout, answer: str, state: str
) -> None:
    for _ in range(2):
        as_sara.post(f"{LIST}{payout.public_id}/answer/", {"answer": answer})
    payout.refresh_from_db()
    assert payout.state == state
    assert as_sara.get(f"{LIST}{payout.public_id}/").status_code == 200


def test_the_schedule_is_kept(as_sara: Client, payout: Payout) -> None:
    as_sara.post(f"{LIST}schedule/", {"schedule": "weekly"})
    as_sara.post(f"{LIST}schedule/", {"schedule": "hourly"})
    assert Payee.objects.get().schedule == "weekly"


def test_the_stranger_finds_nothing(payout: Payout, mallory: User) -> None:
    stranger = Client()
    assert stranger.get(LIST).status_code == 302
    stranger.force_login(mallory)
    assert stranger.get(f"{LIST}{payout.public_id}/").status_code == 404
    assert stranger.post(f"{LIST}{payout.public_id}/answer/", {"answer": "failed"}).status_code == 404
    assert str(payout.public_id) not in stranger.get(LIST).content.decode()
    payout.refresh_from_db()
    assert payout.state == "requested"
