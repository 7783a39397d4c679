"""Sales and reads as the seller sees them. Buyers appear by pseudonym only."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.listings.models import Listing
from marketplace.purchases.models import MonthlySales, Purchase, PurchaseQuerySet
from marketplace.web.formats import money_text
from marketplace.web.records import WAITING, seals_of
from marketplace.web.seals import Seal
from marketplace.web.wording import plan_name

LATEST = 8


@dataclass(frozen=True)
class SaleRow:
    """part_micros: what the seller has of it, or will have while some of it is on hold. note: how that stands."""

    purchase: Purchase
    part_micros: int
    note: str
    buyer: str
    plan_name: str
    seal: Seal


@dataclass(frozen=True)
class MonthRow:
    """One UTC month of the statement: its listings, and the sums over them."""

    title: str
    currency: str
    lines: list[MonthlySales]
    sale_count: int
    paid_micros: int
    all_refunded_micros: int
    on_hold_micros: int
    charged_fee_micros: int
    charged_tax_micros: int
    earned_micros: int


def sales_of(user: User) -> PurchaseQuerySet:
    return Purchase.objects.of_seller(user)


def reads_of(user: User) -> QuerySet[Read, Read]:
    return Read.objects.filter(purchase__listing__seller=user).select_related("purchase__buyer", "purchase__listing")


def sale_rows(purchases: list[Purchase]) -> list[SaleRow]:
    seals = seals_of(purchase.entry_id for purchase in purchases)
    return [
        SaleRow(
            purchase,
            purchase.seller_micros if purchase.held_micros else purchase.released_seller_micros,
            money_note(purchase),
            purchase.buyer.pseudonym,
            plan_name(purchase.plan),
            seals.get(purchase.entry_id, WAITING),
        )
        for purchase in purchases
    ]


def money_note(purchase: Purchase) -> str:
    """Whether the seller's part is earned already, and what went back to the buyer."""
    if purchase.refunded_micros:
        return f"{money_text(purchase.refunded_micros, purchase.currency)} refunded"
    if not purchase.held_micros:
        return "earned" if purchase.price_micros else ""
    if purchase.released_seller_micros:
        return f"{money_text(purchase.released_seller_micros, purchase.currency)} of it earned"
    return "on hold"


def latest_sales(purchases: QuerySet[Purchase, Purchase]) -> list[SaleRow]:
    return sale_rows(list(purchases.select_related("buyer", "listing", "plan")[:LATEST]))


def latest_reads(user: User, *, listing: Listing | None = None, count: int = LATEST) -> list[Read]:
    reads = reads_of(user)
    return list((reads.filter(purchase__listing=listing) if listing else reads)[:count])


def statement(user: User) -> list[MonthRow]:
    """Newest month first."""
    months: dict[tuple[datetime, str], list[MonthlySales]] = {}
    for line in sales_of(user).monthly_sales():
        months.setdefault((line.month, line.currency), []).append(line)
    return [
        MonthRow(
            title=f"{month:%B %Y}",
            currency=currency,
            lines=lines,
            sale_count=sum(line.sale_count for line in lines),
            paid_micros=sum(line.paid_micros for line in lines),
            all_refunded_micros=sum(line.all_refunded_micros for line in lines),
            on_hold_micros=sum(line.on_hold_micros for line in lines),
            charged_fee_micros=sum(line.charged_fee_micros for line in lines),
            charged_tax_micros=sum(line.charged_tax_micros for line in lines),
            earned_micros=sum(line.earned_micros for line in lines),
        )
        for (month, currency), lines in months.items()
    ]
