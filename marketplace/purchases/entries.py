"""What the log says about a purchase. Pure: names no person, carries amounts as strings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.entries import at_text
from marketplace.purchases.pricing import Quote


def purchase_recorded(
    *,
    purchase: UUID,
    listing: UUID,
    consent: UUID,
    plan: UUID,
    plan_kind: str,
    buyer: str,
    seller: str,
    price: Quote,
    currency: str,
    window_from: datetime | None,
    window_until: datetime,
    access_until: datetime,
    continues: UUID | None = None,
    row_count: int = 0,
) -> dict[str, Any]:
    """Return the body of a purchase.recorded entry. buyer and seller: handles from ledger.services.commit_subject.

    continues: of which purchase this is a renewal or, with row_count, a month's bill; else neither is there.
    """
    series: dict[str, Any] = {"continues": str(continues), "row_count": row_count} if continues else {}
    return series | {
        "access_until": at_text(access_until),
        "buyer": buyer,
        "consent": str(consent),
        "currency": currency,
        "fee_micros": str(price.fee_micros),
        "listing": str(listing),
        "plan": str(plan),
        "plan_kind": plan_kind,
        "price_micros": str(price.total_micros),
        "purchase": str(purchase),
        "rounding_micros": str(price.rounding_micros),
        "seller": seller,
        "seller_micros": str(price.seller_micros),
        "tax_micros": str(price.tax_micros),
        "window_from": None if window_from is None else at_text(window_from),
        "window_until": at_text(window_until),
    }


def refund_made(
    *,
    refund: UUID,
    purchase: UUID,
    buyer: str,
    seller: str,
    amount_micros: int,
    price_micros: int,
    currency: str,
    reason: str,
) -> dict[str, Any]:
    """Return the body of a refund.made entry: what went back of which price, and why. buyer and seller: handles."""
    return {
        "amount_micros": str(amount_micros),
        "buyer": buyer,
        "currency": currency,
        "price_micros": str(price_micros),
        "purchase": str(purchase),
        "reason": str(reason),
        "refund": str(refund),
        "seller": seller,
    }


def purchase_changed(
    *, purchase: UUID, buyer: str, change: str, cap_micros: int | None, window_until: datetime | None
) -> dict[str, Any]:
    """Return the body of a purchase.changed entry: what became of a purchase after the sale. buyer: a handle."""
    return {
        "buyer": buyer,
        "cap_micros": None if cap_micros is None else str(cap_micros),
        "change": str(change),
        "purchase": str(purchase),
        "window_until": None if window_until is None else at_text(window_until),
    }
