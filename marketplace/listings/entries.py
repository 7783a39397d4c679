"""Log entries about listings. Pure. The texts stay out of the log; their hash is in it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PlanTerms:
    """price_micros: what the buyer pays, all-in; period_days: only for kind "period"."""

    kind: str
    price_micros: int
    period_days: int | None = None


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
        "plans": [
            {"kind": plan.kind, "price_micros": str(plan.price_micros), "period_days": plan.period_days}
            for plan in plans
        ],
    }


def listing_withdrawn(*, seller: str) -> dict[str, Any]:
    return {"seller": seller}
