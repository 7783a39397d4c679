"""A person's documents: their lists, pages and files, with the same figures in each."""

import re
from datetime import timedelta

import pytest

from marketplace.accounts.services import declare_billing
from marketplace.invoices.models import Invoice
from marketplace.invoices.services import issue_due, issue_settlements
from marketplace.purchases.services import buy_listing, refund_on_request, refund_window, release_earnings
from marketplace.web.invoice_pdf import invoice_pdf
from marketplace.web.invoice_words import invoice_page
from tests.builders import make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(sara, ben, at, settings):
    settings.MARKET_COUNTRY, settings.MARKET_VAT_ID = "DE", "DE100000008"
    fill_wallet(ben, 50, at)
    declare_billing(user=ben, name="Ben & Ωμέγα <b>", address="Łąka 2\nWien", country="AT", vat_id="", at=at)
    listing = make_listing(sara, at, title="Roof & <weather> €")
    return buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=5_000_000, at=at)


def test_the_invoice_is_listed_and_shown_with_its_tax(as_ben, purchase, at):
    receipt = f"/purchases/{purchase.public_id}/receipt/"
    assert "The invoice is being issued" in as_ben.get(receipt).text
    issue_due(at=at)
    invoice = Invoice.objects.get()
    assert invoice.full_number in as_ben.get(receipt).text
    listed = as_ben.get("/invoices/").text
    assert invoice.full_number in listed
    assert "EUR\N{NO-BREAK SPACE}5.00" in listed
    page = as_ben.get(f"/invoices/{invoice.public_id}/").text
    for words in (
        "VAT of Austria, 20\N{NO-BREAK SPACE}%",
        "EUR\N{NO-BREAK SPACE}0.83",
        "EUR\N{NO-BREAK SPACE}4.17",
        "EUR\N{NO-BREAK SPACE}5.00",
        "Ben &amp; Ωμέγα &lt;b&gt;",
        "VAT id DE100000008",
    ):
        assert words in page


def test_the_file_is_the_same_each_time_and_holds_its_fonts(as_ben, purchase, at):
    issue_due(at=at)
    invoice = Invoice.objects.get()
    answer = as_ben.get(f"/invoices/{invoice.public_id}/file.pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{invoice.full_number}.pdf"'
    assert answer.content.startswith(b"%PDF-")
    assert answer.content.count(b"/FontFile2") == 2
    assert invoice_pdf(invoice_page(invoice)) == answer.content


def test_a_credit_note_and_its_invoice_name_each_other(as_ben, purchase, at):
    refund_on_request(purchase=purchase, at=at)
    issue_due(at=at)
    invoice, note = Invoice.objects.get(series="invoice"), Invoice.objects.get(series="credit_note")
    assert note.full_number in as_ben.get(f"/invoices/{invoice.public_id}/").text
    page = as_ben.get(f"/invoices/{note.public_id}/").text
    assert f"{invoice.full_number} of " in page
    assert "Refunded to your wallet" in page
    assert invoice_pdf(invoice_page(note)).startswith(b"%PDF-")


def test_a_seller_finds_the_settlement(as_sara, as_ben, purchase, at):
    assert "On the first day of each month" in as_sara.get("/sales/settlements/").text
    release_earnings(at=at + refund_window())
    issue_settlements(at=at + refund_window() + timedelta(days=32))
    settlement = Invoice.objects.get(series="settlement")
    assert settlement.full_number in as_sara.get("/sales/settlements/").text
    page = as_sara.get(f"/invoices/{settlement.public_id}/").text
    for words in ("You earned", "EUR\N{NO-BREAK SPACE}3.84", "EUR\N{NO-BREAK SPACE}0.33", "EUR\N{NO-BREAK SPACE}0.83"):
        assert words in page
    assert as_sara.get(f"/invoices/{settlement.public_id}/file.pdf").status_code == 200
    assert as_ben.get(f"/invoices/{settlement.public_id}/").status_code == 404


def test_the_year_is_chosen_where_there_are_several(as_ben, purchase, sara, ben, at):
    issue_due(at=at)
    assert "All years" not in as_ben.get("/invoices/").text
    listing = make_listing(sara, at, title="Cellar")
    buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=5_000_000, at=at)
    issue_due(at=at + timedelta(days=366))
    assert "All years" in as_ben.get("/invoices/").text
    shown = as_ben.get(f"/invoices/?year={at.year}").text
    assert len(re.findall(r"INV-\d{4}-\d{6}</a>", shown)) == 1
    assert as_ben.get("/invoices/?year=x").status_code == 200


def test_a_stranger_finds_nothing(as_mallory, client, purchase, at):
    issue_due(at=at)
    invoice = Invoice.objects.get()
    for path in ("", "file.pdf"):
        assert as_mallory.get(f"/invoices/{invoice.public_id}/{path}").status_code == 404
        assert client.get(f"/invoices/{invoice.public_id}/{path}").status_code == 302
    assert "its invoice will be here" in as_mallory.get("/invoices/").text
