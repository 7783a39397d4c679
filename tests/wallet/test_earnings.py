"""A seller's earnings and escrow, and the way from earnings into the wallet."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from marketplace.accounts.errors import AccountErased
from marketplace.wallet.errors import AmountNotPositive, IdempotencyConflict, InsufficientFunds
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import (
    account_of,
    accounts_of,
    balance_micros,
    market_account,
    move_earnings,
    post_transfer,
    unsound_accounts,
)
from tests.builders_money import EURO, fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def payable(sara, ben, now):
    """Sara earned seven euros."""
    fill_wallet(ben, 10, now)
    account = account_of(sara, Account.Kind.PAYABLE)
    postings = [(account_of(ben), -7 * EURO), (account, 7 * EURO)]
    post_transfer(idempotency_key=uuid4(), kind="release", postings=postings, reference=None, at=now)
    return account


def test_earnings_move_to_the_wallet(payable, sara, now):
    transfer = move_earnings(user=sara, amount_micros=3 * EURO, idempotency_key=uuid4(), at=now)
    assert transfer.kind == "to_wallet"
    assert (balance_micros(payable), balance_micros(account_of(sara))) == (4 * EURO, 3 * EURO)
    assert unsound_accounts() == []


def test_a_repeat_moves_nothing_again(payable, sara, now):
    key = uuid4()
    first = move_earnings(user=sara, amount_micros=3 * EURO, idempotency_key=key, at=now)
    assert move_earnings(user=sara, amount_micros=3 * EURO, idempotency_key=key, at=now) == first
    with pytest.raises(IdempotencyConflict):
        move_earnings(user=sara, amount_micros=2 * EURO, idempotency_key=key, at=now)
    assert balance_micros(payable) == 4 * EURO


def test_everything_moves_when_no_amount_is_given(payable, sara, now):
    key = uuid4()
    first = move_earnings(user=sara, amount_micros=None, idempotency_key=key, at=now)
    assert (balance_micros(payable), balance_micros(account_of(sara))) == (0, 7 * EURO)
    assert move_earnings(user=sara, amount_micros=None, idempotency_key=key, at=now) == first
    with pytest.raises(AmountNotPositive):
        move_earnings(user=sara, amount_micros=None, idempotency_key=uuid4(), at=now)


def test_the_same_key_of_another_person_is_another_key(payable, sara, mallory, now):
    key = uuid4()
    move_earnings(user=sara, amount_micros=EURO, idempotency_key=key, at=now)
    with pytest.raises(InsufficientFunds):
        move_earnings(user=mallory, amount_micros=EURO, idempotency_key=key, at=now)


@pytest.mark.parametrize("micros", [0, -1, -EURO, 2**63])
def test_no_amount_but_one_above_zero(payable, sara, now, micros):
    with pytest.raises(AmountNotPositive):
        move_earnings(user=sara, amount_micros=micros, idempotency_key=uuid4(), at=now)
    assert (balance_micros(payable), Transfer.objects.filter(kind="to_wallet").count()) == (7 * EURO, 0)


@pytest.mark.parametrize("micros", [7 * EURO + 1, 2**63 - 1])
def test_no_more_than_was_earned(payable, sara, now, micros):
    with pytest.raises(InsufficientFunds):
        move_earnings(user=sara, amount_micros=micros, idempotency_key=uuid4(), at=now)
    assert (balance_micros(payable), balance_micros(account_of(sara))) == (7 * EURO, 0)


def test_nothing_moves_for_an_erased_person(payable, sara, now):
    sara.erased_at = now
    sara.save(update_fields=["erased_at"])
    with pytest.raises(AccountErased):
        move_earnings(user=sara, amount_micros=EURO, idempotency_key=uuid4(), at=now)
    assert balance_micros(payable) == 7 * EURO


@pytest.mark.parametrize("kind", ["payable", "escrow"])
def test_neither_goes_below_zero_and_each_has_an_owner(sara, now, kind):
    account, wallet = accounts_of(owned=[(sara, kind), (sara, "wallet")])
    with pytest.raises(InsufficientFunds), transaction.atomic():
        postings = [(account, -1), (wallet, 1)]
        post_transfer(idempotency_key=uuid4(), kind="release", postings=postings, reference=None, at=now)
    with pytest.raises(IntegrityError, match="wallet_owner_fits_kind"), transaction.atomic():
        Account.objects.create(kind=kind, owner=None, currency="EUR")
    with pytest.raises(IntegrityError, match="account_one_per_owner_and_kind"), transaction.atomic():
        Account.objects.create(kind=kind, owner=sara, currency="EUR")


def test_accounts_come_in_the_order_asked_for(sara, ben):
    wanted = [(ben, "wallet"), (sara, "escrow"), (sara, "wallet"), (ben, "escrow")]
    found = accounts_of(owned=wanted, kinds=["tax", "market_fee"])
    assert [(account.owner, account.kind) for account in found[:4]] == wanted
    assert found[4:] == [market_account("tax"), market_account("market_fee")]
    assert accounts_of(owned=wanted, kinds=["tax", "market_fee"]) == found
