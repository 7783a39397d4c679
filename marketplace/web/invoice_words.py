"""A document in words: the same rows on its page and in its PDF."""

from __future__ import annotations

from dataclasses import dataclass

from marketplace.countries import country_name
from marketplace.invoices.models import Invoice
from marketplace.purchases.tax import Treatment
from marketplace.web.formats import date_text, money_text
from marketplace.web.plan_words import rate_text

_NOTES = {
    Treatment.REVERSE_CHARGE: "Reverse charge: the recipient accounts for the VAT (Directive 2006/112, Article 196).",
    Treatment.OUTSIDE_EU: "No VAT: the recipient is outside the European Union (Directive 2006/112, Articles 44, 58).",
    Treatment.NOT_CHARGED: "No VAT is charged: the market is not registered for VAT.",
}
_SOURCES = {"account": "the country of your account", "time zone": "your time zone"}
_SETTLEMENT_NOTE = (
    "This settlement is no invoice. The market sold the data in its own name and owes the VAT in the prices. "
    "If you must charge VAT yourself, send the market an invoice."
)


@dataclass(frozen=True)
class InvoicePage:
    """facts: (label, text). heads and rows: the table of lines, text first. sums: what stands below, total last.

    evidence: what was known of the recipient's place when it was issued, which decides whose VAT it holds. It is not
    printed.
    """

    title: str
    invoice: Invoice
    sender: list[str]
    recipient: list[str]
    facts: list[tuple[str, str]]
    heads: list[str]
    rows: list[list[str]]
    sums: list[tuple[str, str]]
    note: str
    evidence: list[str]

    @property
    def cells(self) -> list[list[tuple[str, str]]]:
        """Each row with the head of every cell, for narrow screens."""
        return [list(zip(self.heads, row, strict=True)) for row in self.rows]


def invoice_page(invoice: Invoice) -> InvoicePage:
    is_settlement = invoice.series == Invoice.Series.SETTLEMENT
    return InvoicePage(
        title=f"{invoice.get_series_display()} {invoice.full_number}",
        invoice=invoice,
        sender=_party(invoice.issuer_name, invoice.issuer_address, invoice.issuer_country, invoice.issuer_vat_id),
        recipient=_party(
            invoice.recipient_name, invoice.recipient_address, invoice.recipient_country, invoice.recipient_vat_id
        ),
        facts=_facts(invoice),
        heads=["Data sold", "Without VAT", "Market fee", "You earned"] if is_settlement else ["What", "Amount"],
        rows=_rows(invoice),
        sums=_settlement_sums(invoice) if is_settlement else _sums(invoice),
        note=_SETTLEMENT_NOTE if is_settlement else _NOTES.get(invoice.tax.treatment, ""),
        evidence=[] if is_settlement else [_evidence_text(fact, source) for fact, source in invoice.evidence],
    )


def _party(name: str, address: str, country: str, vat_id: str) -> list[str]:
    """Name, address lines, country, VAT id: what there is of them."""
    lines = [name, *(line.strip() for line in address.splitlines()), country_name(country) if country else ""]
    return [line for line in [*lines, f"VAT id {vat_id}" if vat_id else ""] if line]


def _evidence_text(fact: str, source: str) -> str:
    place = fact if source == "time zone" else country_name(fact)
    return f"{place} ({_SOURCES.get(source, f'your {source}')})"


def _facts(invoice: Invoice) -> list[tuple[str, str]]:
    facts = [("Number", invoice.full_number), ("Issued", date_text(invoice.issued_at))]
    if invoice.period_from is not None:
        facts.append(("Month", f"{invoice.period_from:%B %Y}"))
    elif invoice.corrects is not None:
        facts += [("Refunded", date_text(invoice.supplied_at)), ("Corrects", _reference(invoice.corrects))]
    else:
        facts.append(("Supplied and paid", date_text(invoice.supplied_at)))
    if invoice.purchase is not None:
        facts.append(("Purchase", str(invoice.purchase.public_id)))
    return facts


def _reference(invoice: Invoice) -> str:
    return f"{invoice.full_number} of {date_text(invoice.issued_at)}"


def _rows(invoice: Invoice) -> list[list[str]]:
    currency = invoice.currency
    if invoice.series == Invoice.Series.SETTLEMENT:
        return [
            [line.text, *(money_text(one, currency) for one in (line.net_micros, line.fee_micros, line.total_micros))]
            for line in invoice.lines.all()
        ]
    return [[line.text, money_text(line.total_micros, currency)] for line in invoice.lines.all()]


def _sums(invoice: Invoice) -> list[tuple[str, str]]:
    currency, tax = invoice.currency, invoice.tax
    label = f"VAT of {country_name(tax.country)}, {rate_text(tax.basis_points)}" if tax.basis_points else "VAT"
    last = "Refunded to your wallet" if invoice.series == Invoice.Series.CREDIT_NOTE else "Total, paid from your wallet"
    return [
        ("Without VAT", money_text(invoice.net_micros, currency)),
        (label, money_text(invoice.tax_micros, currency)),
        (last, money_text(invoice.total_micros, currency)),
    ]


def _settlement_sums(invoice: Invoice) -> list[tuple[str, str]]:
    currency = invoice.currency
    return [
        ("Buyers paid", money_text(invoice.net_micros + invoice.tax_micros, currency)),
        ("VAT in it, owed by the market", money_text(invoice.tax_micros, currency)),
        ("Market fee, rounding included", money_text(invoice.fee_micros, currency)),
        ("You earned", money_text(invoice.total_micros, currency)),
    ]
