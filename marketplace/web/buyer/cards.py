"""Listings and plans as buyers see them: rows of the catalogue, prices, terms in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.timezone import get_current_timezone

from marketplace.consents.models import Consent
from marketplace.countries import country_name
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    ACCESS_AFTER_PERIOD,
    HISTORY_ACCESS,
    LONGEST_CLOCK_WAIT,
    TRIAL_ACCESS,
    window_of,
)
from marketplace.purchases.tax import Tax
from marketplace.web.formats import end_text, percent_text, plural
from marketplace.web.plan_words import cheapest_of, headline_micros, price_note, price_parts, price_text
from marketplace.web.records import seals_of
from marketplace.web.wording import (
    delay_text,
    first_fields_text,
    join_words,
    origin_text,
    plan_name,
    purpose_labels,
    resolution_label,
    term_text,
)

SILENT_AFTER = timedelta(hours=24)
FIELDS_SHOWN = 4
EARLIER_SHOWN = 3


def listing_cards(listings: Sequence[Listing], at: datetime) -> list[dict[str, Any]]:
    """Rows for the listing card component. Costs one query, for the seals."""
    seals = seals_of(listing.entry_id for listing in listings)
    return [_listing_card(listing, at) | _seal_fields(listing, seals) for listing in listings]


def _seal_fields(listing: Listing, seals: dict[Any, Any]) -> dict[str, Any]:
    seal = seals.get(listing.entry_id)
    return {"seal_state": seal.state, "entry_number": seal.number} if seal else {}


def _listing_card(listing: Listing, at: datetime) -> dict[str, Any]:
    quality = getattr(listing, "quality", None)
    plans = [plan for plan in listing.public_plans() if plan.is_served_within(listing.consent, at)]
    cheapest = cheapest_of(plans)
    return {
        "title": listing.title,
        "address": reverse("listing_page", args=[listing.public_id]),
        "summary": f"{listing.get_category_display()}: {first_fields_text(listing.measures, FIELDS_SHOWN)}",
        "price_text": _from_text(cheapest, len(plans)),
        "price_note": price_note(cheapest) if cheapest else "",
        "quality_text": f"{percent_text(quality.coverage)} complete" if quality else "not measured yet",
        "published_at": listing.published_at,
        "freshness": quality.last_reading_at if quality else None,
        "country": country_name(listing.country) if listing.country else "",
        "sparkline": quality.sparkline if quality else [],
        "seller": listing.seller.pseudonym,
    }


def _from_text(cheapest: Plan | None, plan_count: int) -> str:
    if cheapest is None:
        return "Not sold any more"
    return f"from {price_text(cheapest)}" if plan_count > 1 and headline_micros(cheapest) else price_text(cheapest)


def buy_label(plan: Plan) -> str:
    """One button that says the amount, or that nothing is paid now."""
    if plan.kind == Plan.Kind.METERED:
        return "Start, pay by use"
    if plan.kind == Plan.Kind.TRIAL:
        return "Start the trial"
    return f"Buy for {price_text(plan)}" if plan.price_micros else "Get it for free"


def plan_promises(plan: Plan, consent: Consent, at: datetime) -> list[tuple[str, str]]:
    """What one gets who buys at this moment, and what ends it, as (icon, sentence). Empty when it can't be served."""
    if not plan.is_served_within(consent, at):
        return []
    window = window_of(plan, consent, at)
    last = ""
    if window.access_until == consent.valid_until:
        last = f"until {end_text(consent.valid_until, get_current_timezone())}, when the owner’s consent ends"
    load = ("download", f"Load it as often as you like {last or 'for ' + plural(HISTORY_ACCESS.days, 'day')}")
    history = ("scroll-text", "Everything that was measured up to the moment you buy")
    ends = ("ban", "Ends early if the owner withdraws")
    if plan.kind == Plan.Kind.PERIOD:
        return [*_period_promises(plan, last), ends]
    if plan.kind == Plan.Kind.METERED:
        return [*_METERED_PROMISES, ends]
    if plan.kind == Plan.Kind.TRIAL:
        return [*_trial_promises(plan), ends]
    return [history, load, ends]


_METERED_PROMISES = [
    ("scroll-text", "The whole history and every new reading, until you stop"),
    ("clock", "Each load counts its rows. They are billed from your wallet after each calendar month (UTC)"),
    ("wallet", "Set your own cap on the purchase’s page. At it, loading stops and nothing more is charged"),
]


def _period_promises(plan: Plan, last: str) -> list[tuple[str, str]]:
    term = term_text(plan.period_seconds or 0)
    after = f"until {plural(ACCESS_AFTER_PERIOD.days, 'day')} after the last one arrived"
    clock = f"The {term} are counted from your first load, or from {plural(LONGEST_CLOCK_WAIT.days, 'day')} from now"
    renewal = [("clock", f"Renews every {term} at the price of then, until you switch that off")]
    return [
        ("clock", f"Every reading from now on, for {term}"),
        ("clock", clock),
        *(renewal if plan.is_renewing else []),
        ("download", f"Load it {last or after}"),
    ]


def _trial_promises(plan: Plan) -> list[tuple[str, str]]:
    if plan.trial_seconds:
        return [
            ("scroll-text", "The whole history and every new reading"),
            ("clock", f"For {term_text(plan.trial_seconds)}, once, and then it ends by itself"),
        ]
    rows = plural(plan.trial_rows or 0, "row")
    return [
        ("scroll-text", f"The newest {rows} up to now"),
        ("clock", f"Ends when you loaded {rows}, or after {plural(TRIAL_ACCESS.days, 'day')}, once"),
    ]


def silence_text(listing: Listing, at: datetime) -> str:
    """A warning that a period may bring nothing, because nothing new has arrived; empty when there is no cause."""
    quality = getattr(listing, "quality", None)
    last = quality.last_reading_at if quality else None
    if last is None:
        return "There is no reading yet: nobody promises that one comes"
    if at - last <= SILENT_AFTER + timedelta(seconds=listing.consent.delay_seconds):
        return ""
    return f"The last reading is from {last:%-d %b %Y}: nobody promises that new ones come"


def silence_warning(plan: Plan, listing: Listing, at: datetime) -> list[tuple[str, str]]:
    """The same as a row of a plan's promises. The history holds what it holds."""
    text = silence_text(listing, at) if plan.kind == Plan.Kind.PERIOD else ""
    return [("triangle-alert", text)] if text else []


def plan_cards(listing: Listing, plans: Sequence[Plan], refusal: str, tax: Tax, at: datetime) -> list[dict[str, Any]]:
    """Rows for the plan component, first what can be bought. refusal: why nothing can be bought here, or nothing."""
    address = reverse("purchase_create", args=[listing.public_id])
    plans = sorted(plans, key=lambda plan: not plan.is_served_within(listing.consent, at))
    reasons = [refusal or plan_obstacle(plan, listing.consent, at) for plan in plans]
    return [
        {
            "name": plan_name(plan),
            "price_text": price_text(plan),
            "price_note": card_note(plan),
            "inside": price_parts(plan, tax),
            "terms": plan_promises(plan, listing.consent, at) + silence_warning(plan, listing, at),
            "button_label": buy_label(plan),
            "address": "" if reason else f"{address}?plan={plan.public_id}",
            "disabled_reason": reason,
            "is_main": position == 0,
        }
        for position, (plan, reason) in enumerate(zip(plans, reasons, strict=True))
    ]


def card_note(plan: Plan) -> str:
    """Beside the figure, whose name says already what it is for unless it is metered."""
    if plan.kind == Plan.Kind.METERED:
        return f"{price_note(plan)}, all-in"
    if plan.offer_until is not None:
        return f"all-in, offered to you until {end_text(plan.offer_until, get_current_timezone())}"
    return "all-in" if plan.price_micros else ""


def plan_obstacle(plan: Plan, consent: Consent, at: datetime) -> str:
    """Why this one plan can't be bought any more; empty when it can."""
    if plan.is_served_within(consent, at):
        return ""
    end = end_text(consent.valid_until, get_current_timezone())
    return f"Not sold any more: the owner’s consent holds until {end}, and this plan would last longer."


def earlier_purchases(purchases: QuerySet[Purchase, Purchase]) -> list[tuple[Purchase, str]]:
    """One's purchases of a listing with the names of their plans, newest first, and no more than fit a notice."""
    newest = purchases.select_related("plan")[:EARLIER_SHOWN]
    return [(purchase, plan_name(purchase.plan)) for purchase in newest]


def terms_of(consent: Consent) -> list[tuple[str, str]]:
    """The consent in plain words, as (label, text)."""
    return [
        ("What you get", resolution_label(consent.resolution)),
        ("Proof of origin", origin_text(consent.resolution)),
        ("When you get it", delay_text(consent.delay_seconds).capitalize()),
        ("What you may use it for", join_words(purpose_labels(consent.purposes))),
    ]
