"""Many real connections at once. Each test ends with the books compared line by line."""

from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import (
    account_of,
    balance_micros,
    post_transfer,
    roll_up_balances,
    unsound_accounts,
)
from tests.builders_money import EURO, at_once, fill_wallet

pytestmark = pytest.mark.django_db(transaction=True)


def pay(source: Account, target: Account, micros: int, now, key=None) -> Transfer:
    return post_transfer(
        idempotency_key=key or uuid4(),
        kind="purchase",
        postings=[(source, -micros), (target, micros)],
        reference=None,
        at=now,
    )


def test_sixteen_connections_never_overspend_one_wallet(sara, ben, now):
    fill_wallet(ben, 10, now)
    purse, till = account_of(ben), account_of(sara)
    answers = at_once([partial(pay, purse, till, 3 * EURO, now) for _ in range(16)])
    assert sum(isinstance(answer, Transfer) for answer in answers) == 3
    assert sum(isinstance(answer, InsufficientFunds) for answer in answers) == 13
    assert (balance_micros(purse), balance_micros(till)) == (EURO, 9 * EURO)
    assert unsound_accounts() == []


def test_opposite_transfers_do_not_deadlock(sara, ben, now):
    fill_wallet(ben, 10, now)
    fill_wallet(sara, 10, now)
    purse, till = account_of(ben), account_of(sara)

    def pay_often(source, target):
        for _ in range(25):
            pay(source, target, 1000, now)

    def swap_often(first, second):
        # Both wallets pay in one transfer each way: the order of their locks is what keeps this alive.
        for _ in range(25):
            lines = [(first, -2000), (second, 2000), (second, -500), (first, 500)]
            post_transfer(idempotency_key=uuid4(), kind="purchase", postings=lines, reference=None, at=now)

    acts = [partial(pay_often, purse, till), partial(pay_often, till, purse)] * 4
    acts += [partial(swap_often, purse, till), partial(swap_often, till, purse)] * 4
    assert at_once(acts) == [None] * 16
    assert (balance_micros(purse), balance_micros(till)) == (10 * EURO, 10 * EURO)
    assert unsound_accounts() == []


def test_one_key_on_many_connections_moves_money_once(sara, ben, now):
    fill_wallet(ben, 10, now)
    purse, till, key = account_of(ben), account_of(sara), uuid4()
    answers = at_once([partial(pay, purse, till, 6 * EURO, now, key) for _ in range(16)])
    assert {answer.pk for answer in answers} == {Transfer.objects.get(idempotency_key=key).pk}
    assert (balance_micros(purse), balance_micros(till)) == (4 * EURO, 6 * EURO)


def test_balances_hold_while_they_are_rolled_up_and_spent(sara, ben, mallory, now):
    fill_wallet(ben, 100, now)
    purse, till, third = account_of(ben), account_of(sara), account_of(mallory)

    def earn():
        for _ in range(40):
            pay(purse, till, EURO // 10, now)

    def spend():
        spent = 0
        for _ in range(40):
            try:
                pay(till, third, EURO // 20, now)
                spent += EURO // 20
            except InsufficientFunds:
                continue
        return spent

    def roll_up():
        for _ in range(40):
            roll_up_balances(at_least=1)

    def watch():
        return [balance_micros(till) for _ in range(80)]

    answers: list[Any] = at_once([earn, earn, spend, spend, roll_up, roll_up, watch])
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    spent = answers[2] + answers[3]
    assert min(answers[6]) >= 0
    assert (balance_micros(till), balance_micros(third)) == (8 * EURO - spent, spent)
    assert unsound_accounts() == []


def test_nobody_waits_for_a_seller_who_is_being_paid(sara, ben, mallory, now):
    fill_wallet(ben, 1, now)
    fill_wallet(mallory, 1, now)
    till = account_of(sara)
    with transaction.atomic():
        pay(account_of(ben), till, EURO, now)

        def pay_impatiently() -> Transfer:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '2s'")
                return pay(account_of(mallory), till, EURO, now)

        answers = at_once([pay_impatiently])
    assert [type(answer) for answer in answers] == [Transfer]
    assert balance_micros(till) == 2 * EURO


def test_a_person_s_wallet_is_made_once(ben):
    made = at_once([partial(account_of, ben)] * 8)
    assert {account.pk for account in made} == {Account.objects.get(owner=ben).pk}
