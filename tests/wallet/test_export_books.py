"""The exported journal: every account and transfer, exact to the micro, with what each account is kept at."""

import io
import re
from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command

from marketplace.wallet import beancount
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, post_transfer
from tests.builders_money import EURO, fill_wallet

ID = UUID("0a1b2c3d-0000-4000-8000-00000000000f")
AT = datetime(2026, 3, 14, 23, 59, 59, 5, tzinfo=UTC)


def exported() -> str:
    out = io.StringIO()
    call_command("export_books", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "0.000000"),
        (1, "-0.000001"),
        (-1, "0.000001"),
        (12_345_678, "-12.345678"),
        (-(2**63), "9223372036854.775808"),
        (2**63 - 1, "-9223372036854.775807"),
    ],
)
def test_amounts_are_exact_and_signs_turned_round(micros, text):
    assert beancount.amount_text(micros) == text


def test_a_transfer_in_beancount_s_words():
    name = beancount.account_name("wallet", ID)
    assert name == "Liabilities:Wallet:0A1B2C3D-0000-4000-8000-00000000000F"
    lines = [(name, -EURO, "EUR"), (beancount.account_name("market_fee", ID), EURO, "EUR")]
    assert beancount.transaction(public_id=ID, kind="purchase", reference=None, at=AT, lines=lines) == (
        '2026-03-14 * "purchase"\n'
        '  id: "0a1b2c3d-0000-4000-8000-00000000000f"\n'
        '  at: "2026-03-14T23:59:59.000005+00:00"\n'
        "  Liabilities:Wallet:0A1B2C3D-0000-4000-8000-00000000000F  1.000000 EUR\n"
        "  Income:Fee:0A1B2C3D-0000-4000-8000-00000000000F  -1.000000 EUR\n\n"
    )
    assert beancount.balance("Assets:Provider", -5, "EUR", date(2026, 3, 15)) == (
        "2026-03-15 balance Assets:Provider 0.000005 ~ 0 EUR\n"
    )


def test_every_kind_of_account_has_a_name():
    assert {beancount.account_name(kind, ID).split(":")[0] for kind in Account.Kind.values} == {
        "Assets",
        "Liabilities",
        "Income",
    }


def test_no_kind_can_break_out_of_its_quotes():
    with pytest.raises(ValueError, match="a word"):
        beancount.transaction(public_id=ID, kind='x"', reference=None, at=AT, lines=[])


@pytest.mark.django_db(transaction=True)
def test_all_books_come_out_and_sum_up(ben, sara, now):
    fill_wallet(ben, 10, now)
    wallet, escrow, fee = account_of(ben), account_of(sara, "escrow"), market_account("market_fee")
    for micros in (1, 12_345, 3 * EURO):
        postings = [(wallet, -micros - 7), (escrow, micros), (fee, 7)]
        post_transfer(idempotency_key=uuid4(), kind="purchase", postings=postings, reference=uuid4(), at=now)
    text = exported()
    assert set(re.findall(r'  id: "(.*)"', text)) == set(map(str, Transfer.objects.values_list("public_id", flat=True)))
    assert text.count("2026-03-14 open ") == Account.objects.count() == 4
    sums: Counter[str] = Counter()
    for name, amount in re.findall(r"^  (\S+)  (-?[\d.]+) EUR$", text, re.MULTILINE):
        sums[name] += Decimal(amount)  # type: ignore[assignment]  # counts of money
    kept = dict(re.findall(r"^2026-03-15 balance (\S+) (-?[\d.]+) ~ 0 EUR$", text, re.MULTILINE))
    assert {name: Decimal(amount) for name, amount in kept.items()} == sums
    assert sum(sums.values()) == 0
    assert Decimal(kept[beancount.account_name("wallet", wallet.public_id)]) * -EURO == balance_micros(wallet)
    assert ben.email not in text


@pytest.mark.django_db(transaction=True)
def test_empty_books_come_out_too():
    assert "option" in exported()
