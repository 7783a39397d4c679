"""What the log says about a purchase. Pure: names no person, carries amounts as strings."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

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
        "access_until": instant(access_until),
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
        "window_from": None if window_from is None else instant(window_from),
        "window_until": instant(window_until),
    }


def instant(at: datetime) -> str:
    """Return RFC 3339 in UTC to the microsecond, always of the same length."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
