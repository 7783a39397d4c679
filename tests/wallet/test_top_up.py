from functools import partial
from uuid import uuid4

import pytest

from marketplace.wallet.errors import (
    AmountNotWholeCents,
    AmountOutOfRange,
    IdempotencyConflict,
    ProviderUnknown,
    TopUpSettled,
)
from marketplace.wallet.models import TopUp, Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, settle_top_up, start_top_up
from tests.builders_money import EURO, at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def top_up(ben, now):
    return start_top_up(user=ben, amount_micros=25 * EURO, at=now)


def test_starting_moves_no_money(top_up, ben):
    assert (top_up.state, top_up.currency, top_up.provider, top_up.transfer) == ("pending", "EUR", "test", None)
    assert balance_micros(account_of(ben)) == 0


def test_paying_brings_the_money_from_the_provider(top_up, ben, now):
    settled = settle_top_up(top_up=top_up, outcome="pay", at=now)
    assert (settled.state, settled.settled_at) == ("paid", now)
    assert settled.transfer is not None
    assert settled.transfer.reference == top_up.public_id
    assert balance_micros(account_of(ben)) == 25 * EURO
    assert balance_micros(market_account("provider")) == -25 * EURO


def test_declining_brings_none(top_up, ben, now):
    assert settle_top_up(top_up=top_up, outcome="decline", at=now).state == "declined"
    assert balance_micros(account_of(ben)) == 0
    assert not Transfer.objects.exists()


@pytest.mark.parametrize("outcome", ["pay", "decline"])
def test_hearing_the_same_twice_changes_nothing(top_up, ben, now, outcome):
    settle_top_up(top_up=top_up, outcome=outcome, at=now)
    balance = balance_micros(account_of(ben))
    settle_top_up(top_up=top_up, outcome=outcome, at=now)
    assert balance_micros(account_of(ben)) == balance


@pytest.mark.parametrize(("first", "second"), [("pay", "decline"), ("decline", "pay")])
def test_a_settled_top_up_stays_as_it_is(top_up, ben, now, first, second):
    settle_top_up(top_up=top_up, outcome=first, at=now)
    balance = balance_micros(account_of(ben))
    with pytest.raises(TopUpSettled):
        settle_top_up(top_up=top_up, outcome=second, at=now)
    assert balance_micros(account_of(ben)) == balance


@pytest.mark.parametrize("micros", [-EURO, 0, EURO - 10_000, 5_000 * EURO + 10_000])
def test_refuses_amounts_out_of_range(ben, now, micros):
    with pytest.raises(AmountOutOfRange):
        start_top_up(user=ben, amount_micros=micros, at=now)
    assert not TopUp.objects.exists()


@pytest.mark.parametrize("micros", [EURO, 5_000 * EURO])
def test_accepts_the_limits(ben, now, micros):
    assert start_top_up(user=ben, amount_micros=micros, at=now).amount_micros == micros


def test_refuses_parts_of_a_cent(ben, now):
    with pytest.raises(AmountNotWholeCents):
        start_top_up(user=ben, amount_micros=EURO + 1, at=now)
    assert not TopUp.objects.exists()


def test_refuses_a_provider_that_is_not_connected(ben, now, settings):
    settings.PAYMENT_PROVIDER = "other"
    with pytest.raises(ProviderUnknown):
        start_top_up(user=ben, amount_micros=EURO, at=now)
    assert not TopUp.objects.exists()


def test_a_top_up_of_a_provider_that_is_gone_stays_open(top_up, ben, now, settings):
    settings.PAYMENT_PROVIDER = "none"
    with pytest.raises(ProviderUnknown):
        settle_top_up(top_up=top_up, outcome="pay", at=now)
    top_up.refresh_from_db()
    assert (top_up.state, balance_micros(account_of(ben))) == ("pending", 0)


def test_a_repeated_request_starts_one(ben, sara, now):
    key = uuid4()
    first = start_top_up(user=ben, amount_micros=EURO, at=now, idempotency_key=key)
    assert start_top_up(user=ben, amount_micros=EURO, at=now, idempotency_key=key) == first
    with pytest.raises(IdempotencyConflict):
        start_top_up(user=ben, amount_micros=2 * EURO, at=now, idempotency_key=key)
    assert start_top_up(user=sara, amount_micros=2 * EURO, at=now, idempotency_key=key) != first
    assert TopUp.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_paying_on_many_connections_brings_the_money_once(top_up, ben, now):
    answers = at_once([partial(settle_top_up, top_up=top_up, outcome="pay", at=now)] * 8)
    assert {answer.state for answer in answers} == {"paid"}
    assert balance_micros(account_of(ben)) == 25 * EURO
