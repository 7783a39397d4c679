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
) -> dict[str, Any]:
    """Return the body of a purchase.recorded entry. buyer and seller: handles from ledger.services.commit_subject."""
    return {
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
