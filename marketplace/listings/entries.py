"""Log entries about listings. Pure. The texts stay out of the log; their hash is in it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from ledger.entries import at_text


@dataclass(frozen=True)
class PlanTerms:
    """What a plan asks and gives; each field means what it means in listings.models.Plan, and its default: not so."""

    kind: str
    price_micros: int = 0
    period_seconds: int | None = None
    is_renewing: bool = False
    micros_per_1000_rows: int | None = None
    free_rows: int = 0
    base_micros: int = 0
    cap_micros: int | None = None
    trial_seconds: int | None = None
    trial_rows: int | None = None


_AMOUNTS = ("price_micros", "micros_per_1000_rows", "base_micros", "cap_micros")
_ALWAYS = ("kind", "price_micros")


def plan_body(plan: PlanTerms) -> dict[str, Any]:
    """Amounts are strings. What a plan does not have is left out."""
    return {
        name: str(value) if name in _AMOUNTS else value
        for name, value in asdict(plan).items()
        if value or name in _ALWAYS
    }


def text_hash_hex(title: str, summary: str, licence_text: str) -> str:
    """SHA-256 of the JSON array of the three texts, UTF-8, without spaces."""
    text = json.dumps([title, summary, licence_text], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def listing_published(
    *,
    seller: str,
    revision: int,
    category: str,
    title: str,
    summary: str,
    licence_text: str,
    currency: str,
    plans: Sequence[PlanTerms],
) -> dict[str, Any]:
    return {
        "seller": seller,
        "revision": revision,
        "category": category,
        "text_hash": text_hash_hex(title, summary, licence_text),
        "currency": currency,
        "plans": [plan_body(plan) for plan in plans],
    }


def listing_withdrawn(*, seller: str) -> dict[str, Any]:
    return {"seller": seller}


def offer_made(*, seller: str, currency: str, plan: PlanTerms, offer_until: datetime) -> dict[str, Any]:
    """An offer names its seller only: who it is for shows in the purchase, if there is one."""
    return {"seller": seller, "currency": currency, "plan": plan_body(plan), "offer_until": at_text(offer_until)}
