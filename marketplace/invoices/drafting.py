"""What each kind of document says, from what was sold, refunded and released."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Sum

from marketplace.accounts.models import User
from marketplace.invoices.models import Invoice, InvoiceLine
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.pricing import quote_part
from marketplace.purchases.services import whole_of
from marketplace.purchases.tax import Treatment
from marketplace.wallet.models import Account, Posting, Transfer


@dataclass(frozen=True)
class Draft:
    """A document that has no number yet, and its lines."""

    invoice: Invoice
    lines: Sequence[InvoiceLine]


def invoice_for(purchase: Purchase) -> Draft:
    net, tax = purchase.price_micros - purchase.tax_micros, purchase.tax_micros
    invoice = Invoice(
        series=Invoice.Series.INVOICE,
        recipient=purchase.buyer,
        purchase=purchase,
        supplied_at=purchase.purchased_at,
        currency=purchase.currency,
        net_micros=net,
        tax_micros=tax,
        total_micros=purchase.price_micros,
        **_tax_of(purchase),
    )
    line = InvoiceLine(text=line_text(purchase), net_micros=net, tax_micros=tax, total_micros=purchase.price_micros)
    return Draft(invoice, [line])


def credit_note_for(refund: Refund, invoice: Invoice, refunded_before_micros: int) -> Draft:
    """The tax that goes back is what is not owed any more, so that invoice and credit notes leave what the books hold.

    refunded_before_micros: what earlier credit notes of the same purchase gave back.
    """
    purchase = refund.purchase
    whole, kept = whole_of(purchase), purchase.price_micros - refunded_before_micros
    before, after = quote_part(whole, kept), quote_part(whole, kept - refund.amount_micros)
    tax = before.tax_micros - after.tax_micros
    amounts = {"net_micros": refund.amount_micros - tax, "tax_micros": tax, "total_micros": refund.amount_micros}
    note = Invoice(
        series=Invoice.Series.CREDIT_NOTE,
        recipient=purchase.buyer,
        purchase=purchase,
        refund=refund,
        corrects=invoice,
        supplied_at=refund.at,
        currency=purchase.currency,
        **amounts,
        **_tax_of(purchase),
    )
    return Draft(note, [InvoiceLine(text=f"Refund: {refund.get_reason_display()}"[:400], **amounts)])


def settlements_for(starts_at: datetime, ends_at: datetime) -> list[Draft]:
    """One for each seller to whom something was released in that time and who has none for it yet."""
    settled = set(
        Invoice.objects.filter(series=Invoice.Series.SETTLEMENT, period_from=starts_at).values_list(
            "recipient_id", flat=True
        )
    )
    sums = _released_between(starts_at, ends_at)
    rows = Purchase.objects.filter(public_id__in=list(sums)).exclude(listing__seller__in=settled)
    by_seller: dict[tuple[User, str], list[Purchase]] = {}
    for purchase in rows.select_related("listing__seller", "plan").order_by("listing__seller", "pk"):
        by_seller.setdefault((purchase.listing.seller, purchase.currency), []).append(purchase)
    return [
        _settlement(seller, currency, [_settlement_line(one, sums[one.public_id]) for one in sold], starts_at, ends_at)
        for (seller, currency), sold in by_seller.items()
    ]


def _settlement(seller: User, currency: str, lines: list[InvoiceLine], starts_at: datetime, ends_at: datetime) -> Draft:
    invoice = Invoice(
        series=Invoice.Series.SETTLEMENT,
        recipient=seller,
        period_from=starts_at,
        supplied_at=ends_at,
        currency=currency,
        net_micros=sum(line.net_micros for line in lines),
        tax_micros=sum(line.tax_micros for line in lines),
        fee_micros=sum(line.fee_micros for line in lines),
        total_micros=sum(line.total_micros for line in lines),
        tax_treatment=Treatment.NOT_CHARGED.value,
    )
    return Draft(invoice, lines)


def _released_between(starts_at: datetime, ends_at: datetime) -> dict[UUID, dict[str, int]]:
    """Of each purchase what left the escrow as earned, by the kind of account that got it."""
    rows = (
        Posting.objects.filter(
            transfer__kind=Transfer.Kind.RELEASE,
            transfer__at__gte=starts_at,
            transfer__at__lt=ends_at,
            transfer__reference__isnull=False,
            amount_micros__gt=0,
        )
        .values_list("transfer__reference", "account__kind")
        .annotate(micros=Sum("amount_micros"))
    )
    sums: dict[UUID, dict[str, int]] = {}
    for purchase, kind, micros in rows:
        sums.setdefault(purchase, {})[kind] = micros
    return sums


def _settlement_line(purchase: Purchase, got: dict[str, int]) -> InvoiceLine:
    fee = got.get(Account.Kind.MARKET_FEE, 0) + got.get(Account.Kind.ROUNDING, 0)
    earned = got.get(Account.Kind.PAYABLE, 0)
    return InvoiceLine(
        text=line_text(purchase),
        net_micros=earned + fee,
        tax_micros=got.get(Account.Kind.TAX, 0),
        fee_micros=fee,
        total_micros=earned,
    )


def line_text(purchase: Purchase) -> str:
    """Which data of which time, in UTC."""
    start, end = (_day(one) if one else "" for one in (purchase.window_from, purchase.window_until))
    what = f"readings until {end}" if not start else f"readings from {start} until {end}"
    if purchase.plan.kind == Plan.Kind.METERED:
        what = f"{purchase.row_count:,} rows loaded from {start} until {end}"
    return f"{purchase.listing.title}: {what}"[:400]


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%-d %B %Y %H:%M} UTC"


def _tax_of(purchase: Purchase) -> dict[str, object]:
    return {
        "tax_basis_points": purchase.tax_basis_points,
        "tax_treatment": purchase.tax_treatment,
        "tax_country": purchase.tax_country,
    }


def number_lines(invoice: Invoice, lines: Iterable[InvoiceLine]) -> list[InvoiceLine]:
    numbered = list(lines)
    for position, line in enumerate(numbered, start=1):
        line.invoice, line.position = invoice, position
    return numbered
