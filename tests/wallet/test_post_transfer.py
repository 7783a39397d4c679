from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from marketplace.wallet.errors import IdempotencyConflict, InsufficientFunds, UnbalancedTransfer
from marketplace.wallet.models import Account, BalanceChange, Posting, Transfer
from marketplace.wallet.services import (
    TransferDraft,
    account_of,
    balance_micros,
    market_account,
    post_transfer,
    post_transfers,
    roll_up_balances,
    unsound_accounts,
)
from tests.builders_money import EURO, fill_wallet
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db


def move(source, target, micros, now, key=None, **changes):
    terms = {"kind": "purchase", "reference": None, "postings": [(source, -micros), (target, micros)]} | changes
    return post_transfer(idempotency_key=key or uuid4(), at=now, **terms)


@pytest.fixture
def purse(ben, now):
    fill_wallet(ben, 10, now)
    return account_of(ben)


@pytest.fixture
def till(sara):
    return account_of(sara)


def test_moves_money_between_wallets(purse, till, now):
    reference = uuid4()
    transfer = move(purse, till, 3 * EURO, now, reference=reference)
    assert (transfer.kind, transfer.reference, transfer.at) == ("purchase", reference, now)
    assert (balance_micros(purse), balance_micros(till)) == (7 * EURO, 3 * EURO)
    assert list(transfer.postings.order_by("id").values_list("account", "amount_micros")) == [
        (purse.pk, -3 * EURO),
        (till.pk, 3 * EURO),
    ]
    assert unsound_accounts() == []


def test_the_last_micro_can_be_spent_and_no_more(purse, till, now):
    move(purse, till, 10 * EURO, now)
    with pytest.raises(InsufficientFunds) as refusal:
        move(purse, till, 1, now)
    assert refusal.value.details == {"missing_micros": 1}
    assert (balance_micros(purse), Transfer.objects.count()) == (0, 2)


def test_money_received_can_be_spent_at_once(purse, till, mallory, now):
    move(purse, till, 4 * EURO, now)
    move(till, account_of(mallory), 4 * EURO, now)
    assert (balance_micros(till), balance_micros(account_of(mallory))) == (0, 4 * EURO)


def test_the_receiver_is_only_appended_to(purse, till, now):
    move(purse, till, EURO, now)
    move(purse, till, EURO, now)
    till.refresh_from_db()
    assert till.rolled_micros == 0
    assert list(till.waiting_changes.values_list("amount_micros", flat=True)) == [EURO, EURO]


def test_rolling_up_changes_no_balance(purse, till, now):
    move(purse, till, EURO, now)
    move(purse, till, EURO, now)
    assert roll_up_balances(at_least=2) == 1
    till.refresh_from_db()
    assert (till.rolled_micros, balance_micros(till), till.waiting_changes.count()) == (2 * EURO, 2 * EURO, 0)
    assert roll_up_balances(at_least=2) == 0
    assert unsound_accounts() == []


def test_the_provider_owes_what_it_brought(purse):
    assert balance_micros(market_account("provider")) == -10 * EURO


@pytest.mark.parametrize("kind", ["market_fee", "tax", "rounding"])
def test_no_other_market_account_goes_below_zero(purse, now, kind):
    account = market_account(kind)
    with pytest.raises(InsufficientFunds), transaction.atomic():
        move(account, purse, 1, now)
    move(purse, account, EURO, now)
    move(account, purse, EURO, now)
    assert (balance_micros(account), balance_micros(purse)) == (0, 10 * EURO)
    with pytest.raises(InsufficientFunds):
        move(account, purse, 1, now)


def test_no_other_kind_of_account_or_transfer_exists(purse, till, now):
    with pytest.raises(IntegrityError, match="account_kind_is_known"), transaction.atomic():
        Account.objects.create(kind="moon", currency="EUR")
    with pytest.raises(IntegrityError, match="transfer_kind_is_known"), transaction.atomic():
        move(purse, till, EURO, now, kind="gift")
    assert balance_micros(purse) == 10 * EURO


def test_a_key_twice_in_one_call_is_refused_behind_the_door(purse, till, now):
    post = """
        SELECT wallet_post(
            ARRAY[%(key)s, %(key)s]::uuid[], ARRAY['purchase', 'purchase'], ARRAY[NULL, NULL]::uuid[],
            ARRAY[now(), now()], ARRAY[1, 1, 2, 2], ARRAY[%(purse)s, %(till)s, %(purse)s, %(till)s]::bigint[],
            ARRAY[-10, 10, -10, 10]::bigint[]
        )
    """
    with pytest.raises(DatabaseError, match="carry the same key"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(post, {"key": uuid4(), "purse": purse.pk, "till": till.pk})
    assert (balance_micros(purse), balance_micros(till), Transfer.objects.count()) == (10 * EURO, 0, 1)


@pytest.mark.parametrize("difference", [-1, 1])
def test_refuses_postings_that_do_not_sum_to_zero(purse, till, now, difference):
    with pytest.raises(UnbalancedTransfer):
        move(purse, till, EURO, now, postings=[(purse, -EURO), (till, EURO + difference)])
    assert balance_micros(purse) == 10 * EURO
    assert Transfer.objects.count() == 1


def test_refuses_two_currencies_in_one_transfer(purse, mallory, now):
    francs = Account.objects.create(owner=mallory, kind="wallet", currency="CHF")
    with pytest.raises(UnbalancedTransfer):
        move(purse, francs, EURO, now)
    assert Transfer.objects.count() == 1


def test_refuses_a_transfer_without_postings(now):
    with transaction.atomic():
        post_transfer(idempotency_key=uuid4(), kind="purchase", postings=[], reference=None, at=now)
        with pytest.raises(DatabaseError, match="has no postings"):
            connection.check_constraints()
        transaction.set_rollback(True)


def test_a_transfer_that_does_not_sum_to_zero_is_refused_at_the_commit_too(purse, till, now):
    """Even where the trigger that sees each statement would be gone."""
    with transaction.atomic(), owner_rights(), connection.cursor() as cursor:
        connection.check_constraints()
        cursor.execute("ALTER TABLE wallet_posting DISABLE TRIGGER posting_keeps_balances")
        transfer = Transfer.objects.create(idempotency_key=uuid4(), kind="purchase", at=now)
        Posting.objects.create(transfer=transfer, account=till, amount_micros=EURO)
        with pytest.raises(DatabaseError, match="do not sum to zero"):
            connection.check_constraints()
        transaction.set_rollback(True)


def test_refuses_a_posting_of_zero(purse, till, now):
    with pytest.raises(IntegrityError):
        move(purse, till, 0, now)
    assert Transfer.objects.count() == 1


def test_a_repeat_returns_the_same_transfer(purse, till, now):
    key = uuid4()
    first = move(purse, till, 6 * EURO, now, key)
    again = move(purse, till, 6 * EURO, now, key)
    assert again == first
    assert (balance_micros(purse), Posting.objects.filter(transfer=first).count()) == (4 * EURO, 2)


def test_a_repeat_with_other_content_is_refused(purse, till, mallory, now):
    key = uuid4()
    move(purse, till, EURO, now, key)
    for change in (
        {"kind": "top_up"},
        {"reference": uuid4()},
        {"postings": [(purse, -2 * EURO), (till, 2 * EURO)]},
        {"postings": [(purse, -EURO), (account_of(mallory), EURO)]},
    ):
        with pytest.raises(IdempotencyConflict):
            move(purse, till, EURO, now, key, **change)
    assert balance_micros(purse) == 9 * EURO


def drafts(purse, till, amounts, now):
    return [TransferDraft(uuid4(), "purchase", [(purse, -amount), (till, amount)], None, now) for amount in amounts]


def test_many_transfers_come_back_in_the_order_given(purse, till, now):
    many = drafts(purse, till, range(1, 1001), now)
    posted = post_transfers(many)
    assert [transfer.idempotency_key for transfer in posted] == [draft.idempotency_key for draft in many]
    assert balance_micros(till) == 500_500
    assert post_transfers(many) == posted
    assert balance_micros(till) == 500_500
    assert unsound_accounts() == []


def test_many_transfers_are_all_or_none(purse, till, now):
    with pytest.raises(InsufficientFunds) as refusal:
        post_transfers(drafts(purse, till, [6 * EURO, 5 * EURO], now))
    assert refusal.value.details == {"missing_micros": EURO}
    assert (balance_micros(purse), balance_micros(till), Transfer.objects.count()) == (10 * EURO, 0, 1)


def test_one_call_cannot_carry_a_key_twice(purse, till, now):
    draft = drafts(purse, till, [1], now)[0]
    with pytest.raises(IdempotencyConflict):
        post_transfers([draft, draft])


@pytest.mark.parametrize("table", ["wallet_posting", "wallet_transfer"])
@pytest.mark.parametrize("act", ["DELETE FROM {}", "UPDATE {} SET id = id + 1000", "TRUNCATE {} CASCADE"])
def test_the_database_refuses_to_change_what_was_posted(purse, till, now, table, act):
    move(purse, till, EURO, now)
    connection.check_constraints()
    with transaction.atomic(), owner_rights(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(DatabaseError, match="append-only"):
            cursor.execute(act.format(table))
        transaction.set_rollback(True)
    assert balance_micros(purse) == 9 * EURO


def test_no_posting_can_be_added_to_an_earlier_transfer(purse, till, now):
    transfer = move(purse, till, EURO, now)
    with pytest.raises(DatabaseError, match="do not sum to zero"), transaction.atomic(), owner_rights():
        Posting.objects.create(transfer=transfer, account=till, amount_micros=EURO)
    assert balance_micros(till) == EURO


def test_rows_inserted_past_the_function_still_keep_the_balances(purse, till, now):
    with transaction.atomic(), owner_rights():
        transfer = Transfer.objects.create(idempotency_key=uuid4(), kind="purchase", at=now)
        Posting.objects.bulk_create(
            Posting(transfer=transfer, account=account, amount_micros=amount)
            for account, amount in [(purse, -EURO), (till, EURO)]
        )
    assert (balance_micros(purse), balance_micros(till)) == (9 * EURO, EURO)


def test_the_statement_shows_the_balance_after_each_line(purse, till, now):
    move(purse, till, 4 * EURO, now)
    move(purse, till, 1 * EURO, now)
    lines = [
        (line.transfer.kind, line.amount_micros, line.balance_after_micros) for line in Posting.objects.statement(purse)
    ]
    assert lines == [
        ("purchase", -1 * EURO, 5 * EURO),
        ("purchase", -4 * EURO, 6 * EURO),
        ("top_up", 10 * EURO, 10 * EURO),
    ]


def test_nothing_waits_for_an_account_that_pays(purse):
    assert not BalanceChange.objects.filter(account=purse, amount_micros__lt=0).exists()
