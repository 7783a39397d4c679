"""Listings and plans as buyers see them: rows of the catalogue, prices, terms in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse

from marketplace.consents.models import Consent
from marketplace.countries import country_name
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.pricing import ALL_BASIS_POINTS, quote
from marketplace.purchases.services import ACCESS_AFTER_PERIOD, HISTORY_ACCESS
from marketplace.web.formats import money_text, percent_text, plural
from marketplace.web.records import seals_of
from marketplace.web.wording import delay_text, fields_text, join_words, plan_name, purpose_labels, resolution_label

FIELDS_SHOWN = 4


def listing_cards(listings: Sequence[Listing]) -> list[dict[str, Any]]:
    """Rows for the listing card component. Costs one query, for the seals."""
    seals = seals_of(listing.entry_id for listing in listings)
    return [_listing_card(listing) | _seal_fields(listing, seals) for listing in listings]


def _seal_fields(listing: Listing, seals: dict[Any, Any]) -> dict[str, Any]:
    seal = seals.get(listing.entry_id)
    return {"seal_state": seal.state, "entry_number": seal.number} if seal else {}


def _listing_card(listing: Listing) -> dict[str, Any]:
    quality = getattr(listing, "quality", None)
    plans = list(listing.plans.all())
    cheapest = min(plans, key=lambda plan: plan.price_micros, default=None)
    return {
        "title": listing.title,
        "address": reverse("listing_page", args=[listing.public_id]),
        "summary": f"{listing.get_category_display()}: {_first_fields(listing.measures)}",
        "price_text": _from_text(cheapest, len(plans)),
        "price_note": period_note(cheapest) if cheapest else "",
        "quality_text": f"{percent_text(quality.coverage)} complete" if quality else "not measured yet",
        "freshness": quality.last_reading_at if quality else None,
        "country": country_name(listing.country) if listing.country else "",
        "sparkline": quality.sparkline if quality else [],
        "seller": listing.seller.pseudonym,
    }


def _first_fields(measures: Sequence[str]) -> str:
    shown = fields_text(measures[:FIELDS_SHOWN])
    more = len(measures) - FIELDS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _from_text(cheapest: Plan | None, plan_count: int) -> str:
    if cheapest is None:
        return ""
    return f"from {price_text(cheapest)}" if plan_count > 1 and cheapest.price_micros else price_text(cheapest)


def price_text(plan: Plan) -> str:
    return money_text(plan.price_micros, plan.currency) if plan.price_micros else "Free"


def period_note(plan: Plan) -> str:
    if plan.kind == Plan.Kind.PERIOD:
        return f"for {plural(plan.period_days or 0, 'day')}"
    return "the history up to now"


def buy_label(plan: Plan) -> str:
    return f"Buy for {price_text(plan)}" if plan.price_micros else "Get it for free"


def price_parts(plan: Plan) -> list[tuple[str, str]]:
    """What is inside the price that the buyer pays."""
    if not plan.price_micros:
        return [("Market fee", "none")]
    parts = quote(plan.price_micros, settings.MARKET_FEE_BASIS_POINTS)
    rate = percent_text(settings.MARKET_FEE_BASIS_POINTS / ALL_BASIS_POINTS)
    return [
        ("To the seller", money_text(parts.seller_micros, plan.currency)),
        (f"Market fee, {rate}", money_text(parts.fee_micros + parts.rounding_micros, plan.currency)),
        ("On top", "nothing"),
    ]


def plan_promises(plan: Plan) -> list[tuple[str, str]]:
    """What one gets and what ends it, as (icon, sentence)."""
    if plan.kind == Plan.Kind.PERIOD:
        return [
            ("clock", f"Every reading from now on, for {plural(plan.period_days or 0, 'day')}"),
            ("download", f"Load it until {plural(ACCESS_AFTER_PERIOD.days, 'day')} after the last one"),
            ("ban", "Ends early if the owner withdraws"),
        ]
    return [
        ("scroll-text", "Everything that was measured up to the moment you buy"),
        ("download", f"Load it as often as you like for {plural(HISTORY_ACCESS.days, 'day')}"),
        ("ban", "Ends early if the owner withdraws"),
    ]


def plan_cards(listing: Listing, refusal: str) -> list[dict[str, Any]]:
    """Rows for the plan component. refusal: why nothing can be bought here, or nothing."""
    address = reverse("purchase_create", args=[listing.public_id])
    return [
        {
            "name": plan_name(plan),
            "price_text": price_text(plan),
            "price_note": "all-in" if plan.price_micros else "",
            "inside": price_parts(plan),
            "terms": plan_promises(plan),
            "button_label": buy_label(plan),
            "address": "" if refusal else f"{address}?plan={plan.public_id}",
            "disabled_reason": refusal,
            "is_main": position == 0,
        }
        for position, plan in enumerate(listing.plans.all())
    ]


def terms_of(consent: Consent) -> list[tuple[str, str]]:
    """The consent in plain words, as (label, text)."""
    return [
        ("What you get", resolution_label(consent.resolution)),
        ("When you get it", delay_text(consent.delay_seconds).capitalize()),
        ("What you may use it for", join_words(purpose_labels(consent.purposes))),
    ]
