"""A seller's money: what is whose, the way to the wallet, and statements as files."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import release_earnings, start_clock, withdraw_consent_with_refunds
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros
from marketplace.web.buyer import statement_file
from marketplace.web.csv_lines import as_text
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

MONEY, MOVE = "/sales/money/", "/sales/money/moves/"
PERIOD = (PlanTerms("period", 12 * EURO, 30 * 86_400),)


def amount(micros: int) -> str:
    return f"EUR\N{NO-BREAK SPACE}{micros / EURO:.2f}"


@pytest.fixture
def sold(sara: User, ben: User, now: datetime) -> Listing:
    """A month for EUR 12 that ben bought ten days ago: a third of it is earned."""
    fill_wallet(ben, 50, now)
    listing = make_listing(sara, now, plans=PERIOD, title="=1+1 roof, north")
    start_clock(purchase=buy(listing, ben, now), at=now)
    release_earnings(at=now + timedelta(days=10))
    return listing


def move(client: Client, **changes: object):
    return client.post(MOVE, {"amount": "1.50", "idempotency_key": uuid4(), **changes})


def rows_of(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_says_what_is_yours_and_what_is_on_hold_until_when(sara_client: Client, sold: Listing, now: datetime):
    response = sara_client.get(MONEY)
    context = response.context
    assert (context["yours_text"], context["held_text"], context["paid_out_text"]) == (
        amount(3_680_000),
        amount(8_000_000),
        amount(0),
    )
    [row] = context["held"]
    assert (row.purchase, row.until, row.is_gradual) == (Purchase.objects.get(), now + timedelta(days=30), True)
    assert [line["text"] for line in context["statement"].lines] == ["Earned: =1+1 roof, north"]


def test_someone_new_sees_what_will_be_here(ben_client: Client):
    text = ben_client.get(MONEY).text
    assert "Nothing is on hold." in text
    assert "Move to the wallet" not in text


@pytest.mark.parametrize(("asked", "moved"), [("1.50", 1_500_000), ("3.68", 3_680_000), ("", 3_680_000)])
def test_moves_earnings_to_the_wallet(sara_client: Client, sara: User, sold: Listing, asked: str, moved: int):
    response = move(sara_client, amount=asked)
    assert (response.status_code, response["Location"]) == (302, MONEY)
    assert balance_micros(account_of(sara)) == moved
    assert balance_micros(account_of(sara, "payable")) == 3_680_000 - moved
    assert "Moved to your wallet" in sara_client.get(MONEY).text
    assert "Moved from your earnings" in sara_client.get("/wallet/").text


@pytest.mark.parametrize("asked", ["1.50", ""])
def test_a_double_click_moves_once(sara_client: Client, sold: Listing, asked: str):
    key = uuid4()
    for _ in range(2):
        assert move(sara_client, amount=asked, idempotency_key=key).status_code == 302
    assert Transfer.objects.filter(kind="to_wallet").count() == 1


@pytest.mark.parametrize("asked", ["0", "-1", "3.69", "1e3", "0.001", "99999999999999", "a lot"])
def test_refuses_what_is_no_amount_or_too_much(sara_client: Client, sara: User, sold: Listing, asked: str):
    response = move(sara_client, amount=asked)
    assert response.status_code == 422
    assert 'id="id_amount_error"' in response.text
    assert balance_micros(account_of(sara)) == 0


def test_nobody_moves_what_another_earned(ben_client: Client, ben: User, sold: Listing):
    before = balance_micros(account_of(ben))
    assert move(ben_client).status_code == 422
    assert balance_micros(account_of(ben)) == before
    assert not ben_client.get(MONEY).context["held"]


@pytest.mark.parametrize("address", [MONEY, MOVE, "/wallet/statements/wallet.csv"])
def test_a_visitor_is_asked_to_log_in(visitor: Client, db: None, address: str):
    response = visitor.get(address)
    assert response.status_code == 302
    assert not Transfer.objects.exists()


def test_the_statement_of_each_account_as_a_file(sara_client: Client, sold: Listing, now: datetime):
    withdraw_consent_with_refunds(consent=sold.consent, at=now + timedelta(days=10))
    bought = str(Purchase.objects.get().public_id)
    response = sara_client.get("/wallet/statements/escrow.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="ownstream-escrow-')
    found = rows_of(response)
    assert [(row["kind"], row["amount"], row["balance_after"]) for row in found] == [
        ("purchase", "12.000000", "12.000000"),
        ("release", "-4.000000", "8.000000"),
        ("refund", "-8.000000", "0.000000"),
    ]
    assert [row["what"] for row in found] == [
        f"{word}: =1+1 roof, north" for word in ("Sold", "Earned", "Refunded to the buyer")
    ]
    assert {(row["reference"], row["currency"], row["at"][-1]) for row in found} == {(bought, "EUR", "Z")}
    assert [row["amount"] for row in rows_of(sara_client.get("/wallet/statements/payable.csv"))] == ["3.680000"]
    assert rows_of(sara_client.get("/wallet/statements/wallet.csv")) == []


@pytest.mark.parametrize("kind", ["market_fee", "provider", "tax", "x"])
def test_nobody_reads_the_market_s_accounts(sara_client: Client, kind: str):
    assert sara_client.get(f"/wallet/statements/{kind}.csv").status_code == 404


@pytest.mark.parametrize(
    ("words", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM", "'@SUM"),
        ("\t=1", "'\t=1"),
        ("\N{FULLWIDTH EQUALS SIGN}1", "'\N{FULLWIDTH EQUALS SIGN}1"),
        ("Sold: =1", "Sold: =1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(words: str, safe: str):
    assert as_text(words) == safe


def test_the_file_is_written_a_portion_at_a_time(ben_client: Client, ben: User, now: datetime, monkeypatch):
    monkeypatch.setattr(statement_file, "_AT_ONCE", 2)
    for euros in (1, 2, 3, 4, 5):
        fill_wallet(ben, euros, now)
    response: Any = ben_client.get("/wallet/statements/wallet.csv")
    chunks = [chunk.decode() for chunk in response.streaming_content]
    assert [chunk.count("\r\n") for chunk in chunks] == [1, 2, 2, 1]
    assert chunks[-1].endswith(",15.000000,EUR\r\n")
