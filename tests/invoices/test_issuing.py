"""What is issued, with which numbers and figures, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from marketplace.accounts.models import User
from marketplace.accounts.services import declare_billing
from marketplace.consents.models import Consent
from marketplace.invoices.models import DueDocument, Invoice, InvoiceLine
from marketplace.invoices.services import issue_due, issue_settlements
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    refund_window,
    release_earnings,
    start_clock,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.models import Account
from tests.invoices.conftest import PRICE, TEN_DAYS

pytestmark = pytest.mark.django_db
Buy = Callable[..., Purchase]


def numbers(series: str = "invoice") -> list[int]:
    return list(Invoice.objects.filter(series=series).order_by("number").values_list("number", flat=True))


def withdraw(purchase: Purchase, at: datetime) -> None:
    withdraw_consent_with_refunds(consent=Consent.objects.get(pk=purchase.listing.consent_id), at=at)


def test_each_paid_purchase_gets_one_invoice(buy: Buy, now: datetime) -> None:
    purchases = [buy(), buy(), buy()]
    assert issue_due(at=now) == 3
    assert issue_due(at=now) == 0
    assert numbers() == [1, 2, 3]
    first = Invoice.objects.get(number=1)
    assert first.full_number == f"INV-{now.year}-000001"
    assert (first.purchase, first.recipient) == (purchases[0], purchases[0].buyer)
    # Austria's 20 % in 11.90, to the cent.
    assert (first.net_micros, first.tax_micros, first.total_micros) == (9_920_000, 1_980_000, PRICE)
    assert (first.tax_treatment, first.tax_country, first.tax_basis_points) == ("one_stop_shop", "AT", 2000)
    assert (first.recipient_name, first.recipient_country) == ("Ben’s Weather ΑΕ", "AT")
    assert (first.issuer_name, first.issuer_vat_id) == ("Market", "DE100000008")
    assert first.evidence[0] == ["AT", f"billing address of {now:%Y-%m-%d}"]
    line = first.lines.get()
    assert line.text.startswith("Roof weather: readings until")
    assert (line.net_micros, line.tax_micros, line.total_micros) == (9_920_000, 1_980_000, PRICE)


def test_nothing_is_issued_for_what_is_free(buy: Buy, now: datetime) -> None:
    buy(PlanTerms("free", 0))
    assert issue_due(at=now) == 0


def test_each_year_begins_at_one(buy: Buy, now: datetime) -> None:
    buy()
    issue_due(at=now)
    buy()
    issue_due(at=datetime(now.year, 12, 31, 23, 59, 59, tzinfo=UTC))
    buy()
    issue_due(at=datetime(now.year + 1, 1, 1, tzinfo=UTC))
    found = Invoice.objects.order_by("pk").values_list("year", "number")
    assert list(found) == [(now.year, 1), (now.year, 2), (now.year + 1, 1)]


def test_what_was_issued_keeps_its_names(buy: Buy, ben: User, now: datetime) -> None:
    buy()
    issue_due(at=now)
    declare_billing(user=ben, name="Other", address="Elsewhere", country="FR", vat_id="", at=now)
    assert Invoice.objects.get().recipient_country == "AT"


def test_a_refund_gets_a_credit_note_that_refers_back(buy: Buy, sara: User, now: datetime) -> None:
    purchase = buy(TEN_DAYS)
    start_clock(purchase=purchase, at=now)
    withdraw(purchase, now + timedelta(days=3))
    assert issue_due(at=now) == 2
    assert (numbers(), numbers("credit_note")) == ([1], [1])
    invoice, note = Invoice.objects.get(series="invoice"), Invoice.objects.get(series="credit_note")
    purchase.refresh_from_db()
    assert note.corrects == invoice
    assert note.full_number == f"CN-{now.year}-000001"
    assert note.total_micros == purchase.refunded_micros == 8_330_000
    # What is left on paper is what the tax account holds.
    tax = Account.objects.with_balance().get(kind="tax").balance_micros
    assert invoice.tax_micros - note.tax_micros == tax == purchase.released_tax_micros
    assert note.recipient_name == invoice.recipient_name


def test_settlements_hold_what_was_released_in_the_month(buy: Buy, sara: User, now: datetime) -> None:
    buy()
    buy()
    released_at = now + refund_window()
    release_earnings(at=released_at)
    after = datetime(now.year, now.month, 28, tzinfo=UTC) + timedelta(days=5)
    assert issue_settlements(at=released_at) == 0
    assert issue_settlements(at=after) == 1
    assert issue_settlements(at=after) == 0
    found = Invoice.objects.get(series="settlement")
    payable = Account.objects.with_balance().get(owner=sara, kind="payable").balance_micros
    assert (found.recipient, found.total_micros) == (sara, payable)
    assert found.net_micros - found.fee_micros == found.total_micros
    assert found.net_micros + found.tax_micros == 2 * PRICE
    assert found.lines.count() == 2
    assert found.full_number == f"SET-{after.year}-000001"


def test_settlements_of_a_year_without_a_worker_are_all_made(buy: Buy, sara: User, now: datetime) -> None:
    """Also of months before the newest one that was settled."""
    buy()
    release_earnings(at=now + refund_window())
    month = datetime(now.year, now.month, 28, tzinfo=UTC) + timedelta(days=5)
    assert issue_settlements(at=month) == 1
    buy(at=now + timedelta(days=60))
    release_earnings(at=now + timedelta(days=60) + refund_window())
    assert issue_settlements(at=now + timedelta(days=400)) == 1
    assert issue_settlements(at=now + timedelta(days=400)) == 0
    released = {(one.period_from.year, one.period_from.month) for one in Invoice.objects.filter(series="settlement")}
    assert len(released) == 2


def test_the_first_settlements_reach_back_to_the_first_release(buy: Buy, now: datetime) -> None:
    buy()
    release_earnings(at=now + refund_window())
    assert issue_settlements(at=now + timedelta(days=400)) == 1


def test_what_is_due_is_noted_with_the_sale_and_forgotten_with_the_invoice(buy: Buy, now: datetime) -> None:
    purchase = buy()
    assert DueDocument.objects.get().purchase == purchase
    issue_due(at=now)
    assert not DueDocument.objects.exists()
    withdraw(purchase, now)
    assert DueDocument.objects.get().refund == purchase.refunds.get()
    issue_due(at=now)
    issue_due(at=now)
    assert not DueDocument.objects.exists()
    assert numbers("credit_note") == [1]


def test_what_was_issued_before_it_was_noted_is_not_issued_again(buy: Buy, now: datetime) -> None:
    purchase = buy()
    issue_due(at=now)
    DueDocument.objects.create(purchase=purchase)
    assert issue_due(at=now) == 0
    assert (numbers(), DueDocument.objects.count()) == ([1], 0)


def test_an_invoice_is_never_changed(buy: Buy, now: datetime) -> None:
    buy()
    issue_due(at=now)
    for rows in (Invoice.objects.all(), InvoiceLine.objects.all()):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(total_micros=1)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows._raw_delete("default")


def test_a_crash_in_the_middle_leaves_no_gap(buy: Buy, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    buy()
    buy()
    with monkeypatch.context() as broken:

        def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError

        broken.setattr(InvoiceLine.objects, "bulk_create", crash)
        with pytest.raises(RuntimeError):
            issue_due(at=now)
    assert not Invoice.objects.exists()
    issue_due(at=now)
    assert numbers() == [1, 2]


def test_erasing_one_person_issues_only_that_persons(buy: Buy, mallory: User, now: datetime) -> None:
    buy()
    assert issue_due(at=now, buyer=mallory) == 0
    assert issue_due(at=now, buyer=buy().buyer) == 2
