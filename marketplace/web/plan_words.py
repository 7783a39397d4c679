"""Prices and plans in plain words, the same on the pages of both sides."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings

from marketplace.countries import country_name
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase
from marketplace.purchases.pricing import ALL_BASIS_POINTS, quote
from marketplace.purchases.tax import Tax, Treatment
from marketplace.web.formats import money_text, number_text, percent_text, plural
from marketplace.web.wording import term_text

AnyPlan = Plan | PlanTerms


def headline_micros(plan: AnyPlan) -> int:
    """The figure that stands first wherever the plan is shown: its price, or what 1,000 rows cost."""
    return plan.micros_per_1000_rows or 0 if plan.kind == Plan.Kind.METERED else plan.price_micros


def entry_micros(plan: AnyPlan) -> int:
    """By what plans are compared: of a metered one the first month with 1,000 paid rows, as the catalogue sorts."""
    return headline_micros(plan) + plan.base_micros


def cheapest_of(plans: Iterable[Plan]) -> Plan | None:
    """A trial is no price: it comes last."""
    return min(plans, key=lambda plan: (plan.kind == Plan.Kind.TRIAL, entry_micros(plan)), default=None)


def price_text(plan: AnyPlan) -> str:
    micros = headline_micros(plan)
    return money_text(micros, settings.MARKET_CURRENCY) if micros else "Free"


def price_note(plan: AnyPlan) -> str:
    """What the figure is for, to stand after it."""
    if plan.kind == Plan.Kind.PERIOD:
        return f"{'every' if plan.is_renewing else 'for'} {term_text(plan.period_seconds or 0)}"
    if plan.kind == Plan.Kind.METERED:
        base = f", and {money_text(plan.base_micros, settings.MARKET_CURRENCY)} a month" if plan.base_micros else ""
        return f"per 1,000 rows{base}"
    if plan.kind == Plan.Kind.TRIAL:
        return f"for {term_text(plan.trial_seconds) if plan.trial_seconds else plural(plan.trial_rows or 0, 'row')}"
    return "the history up to now"


def price_sentence(plan: AnyPlan) -> str:
    """Figure and note in one, for lists: EUR 5.00 for 30 days, free, EUR 3.00 once."""
    if plan.kind == Plan.Kind.FREE:
        return "free"
    if plan.kind == Plan.Kind.ONE_OFF:
        return f"{price_text(plan)} once"
    return f"{'free' if plan.kind == Plan.Kind.TRIAL else price_text(plan)} {price_note(plan)}"


def price_parts(plan: AnyPlan, tax: Tax) -> list[tuple[str, str]]:
    """What is inside the price that the buyer pays, and what else there is to it."""
    micros, currency = headline_micros(plan), settings.MARKET_CURRENCY
    if not micros:
        return [("Market fee", "none")]
    parts = quote(micros, settings.MARKET_FEE_BASIS_POINTS, tax.basis_points)
    rate = percent_text(settings.MARKET_FEE_BASIS_POINTS / ALL_BASIS_POINTS)
    return [
        ("To the seller", money_text(parts.seller_micros, currency)),
        (tax_label(tax), money_text(parts.tax_micros, currency) if tax.basis_points else "none"),
        (f"Market fee, {rate}", money_text(parts.fee_micros + parts.rounding_micros, currency)),
        *_meter_rows(plan),
        ("On top", "nothing"),
    ]


def tax_label(tax: Tax) -> str:
    """Which VAT is inside, or why none is."""
    words = {
        Treatment.REVERSE_CHARGE: "VAT: reverse charge, you account for it",
        Treatment.OUTSIDE_EU: "VAT: outside the European Union",
        Treatment.NOT_CHARGED: "VAT",
    }
    return words.get(tax.treatment) or f"VAT of {country_name(tax.country)}, {rate_text(tax.basis_points)}"


def rate_text(basis_points: int) -> str:
    """25.5 %."""
    return f"{Decimal(basis_points) / 100:f}\N{NO-BREAK SPACE}%"


def _meter_rows(plan: AnyPlan) -> list[tuple[str, str]]:
    if plan.kind != Plan.Kind.METERED:
        return []
    currency = settings.MARKET_CURRENCY
    return [
        ("Base fee a month", money_text(plan.base_micros, currency) if plan.base_micros else "none"),
        ("Free rows a month", number_text(plan.free_rows) if plan.free_rows else "none"),
        ("Most a month", money_text(plan.cap_micros, currency) if plan.cap_micros is not None else "no limit"),
    ]


def tax_in(purchase: Purchase) -> Tax:
    """The tax as it was when it was sold."""
    return Tax(Treatment(purchase.tax_treatment), purchase.tax_basis_points, purchase.tax_country)
