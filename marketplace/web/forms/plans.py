"""What a listing costs: the seller's forms for plans, new prices and offers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from marketplace.consents.models import Consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.listings.services import LONGEST_PERIOD_SECONDS, LONGEST_TRIAL_SECONDS, MOST_TRIAL_ROWS
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.formats import plural
from marketplace.web.forms.money import MoneyField

PERIOD_SLOTS = (1, 2, 3)
DAY_SECONDS, HOUR_SECONDS = 86_400, 3_600
LONGEST_PERIOD_DAYS = LONGEST_PERIOD_SECONDS // DAY_SECONDS
LONGEST_TRIAL_DAYS = LONGEST_TRIAL_SECONDS // DAY_SECONDS
MOST_FREE_ROWS = 1_000_000_000
UNITS = {"days": DAY_SECONDS, "hours": HOUR_SECONDS}


def price_field(label: str, *, required: bool = False, help_text: str = "") -> MoneyField:
    return MoneyField(
        label=label,
        required=required,
        help_text=help_text,
        min_value=Decimal("0.01"),
        max_value=Decimal(1_000_000),
        error_messages={
            "required": "Write the price as a number, such as 12.50.",
            "min_value": "A price is at least EUR 0.01. Offer the free plan to give the data away.",
            "max_value": "A price is at most EUR 1,000,000.",
            "max_digits": "Write the price with at most two decimals, such as 12.50.",
            "max_decimal_places": "Write the price with at most two decimals, such as 12.50.",
            "invalid": "Write the price as a number, such as 12.50.",
        },
    )


def count_field(label: str, *, most: int, unit: str, help_text: str = "") -> forms.IntegerField:
    reach = f"Write a whole number of {unit} from 1 to {most:,}."
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=1,
        max_value=most,
        help_text=help_text,
        widget=forms.NumberInput(attrs={"class": "input-short", "inputmode": "numeric"}),
        error_messages={"min_value": reach, "max_value": reach, "invalid": reach},
    )


class MeterFields(forms.Form):
    """The price of use, for both the plans of a draft and a new price."""

    row_price = price_field("Price of 1,000 rows (EUR)")
    base_price = price_field("Base fee a month (EUR)", help_text="Charged also in a month without a load.")
    free_rows = count_field("Free rows a month", most=MOST_FREE_ROWS, unit="rows")
    cap_price = price_field(
        "Most that a month costs (EUR)", help_text="From there on loading is free until the next month."
    )

    def meter_terms(self) -> PlanTerms:
        cleaned = self.cleaned_data
        cap = cleaned.get("cap_price")
        return PlanTerms(
            Plan.Kind.METERED,
            micros_per_1000_rows=to_micros(cleaned["row_price"]),
            base_micros=to_micros(cleaned.get("base_price") or Decimal(0)),
            free_rows=cleaned.get("free_rows") or 0,
            cap_micros=to_micros(cap) if cap else None,
        )

    def refuse_low_cap(self, cleaned: Mapping[str, Any]) -> None:
        base, cap = cleaned.get("base_price"), cleaned.get("cap_price")
        if base and cap and cap < base:
            self.add_error("cap_price", "The most that a month costs is at least the base fee.")


class PriceForm(forms.Form):
    """Another price for one plan whose price is one amount."""

    price = price_field("What the buyer pays, market fee included (EUR)", required=True)

    def terms_after(self, terms: PlanTerms) -> PlanTerms:
        return replace(terms, price_micros=to_micros(self.cleaned_data["price"]))


class MeterPriceForm(MeterFields):
    """Other prices for one metered plan."""

    row_price = price_field("Price of 1,000 rows, market fee included (EUR)", required=True)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        self.refuse_low_cap(cleaned)
        return cleaned

    def terms_after(self, terms: PlanTerms) -> PlanTerms:
        return self.meter_terms()


def price_form(plan: Plan, posted: QueryDict | None) -> PriceForm | MeterPriceForm:
    """The form for another price of a plan, with the present one filled in."""
    if plan.kind == Plan.Kind.METERED:
        return MeterPriceForm(posted, initial=meter_values(plan))
    return PriceForm(posted, initial={"price": _euros(plan.price_micros)})


def meter_values(plan: Plan) -> dict[str, Any]:
    return {
        "row_price": _euros(plan.micros_per_1000_rows),
        "base_price": _euros(plan.base_micros),
        "free_rows": plan.free_rows or None,
        "cap_price": _euros(plan.cap_micros),
    }


def _euros(micros: int | None) -> str | None:
    return f"{Decimal(micros) / MICROS_PER_UNIT:.2f}" if micros else None


class PlansForm(MeterFields):
    """What it costs: the second step. Each plan is offered when its price is there."""

    is_free = forms.BooleanField(
        label="Give the history up to now away for free",
        required=False,
        help_text=(
            "Up to the day on which somebody takes it, whenever that is. Beside a period plan this undercuts you: "
            "whoever waits gets for free what the period sells."
        ),
    )
    one_off_price = price_field("The whole history up to now, once (EUR)")
    trial_days = count_field("Trial: days", most=LONGEST_TRIAL_DAYS, unit="days")
    trial_rows = count_field("Trial: rows", most=MOST_TRIAL_ROWS, unit="rows")

    def __init__(self, *args: Any, longest_days: int = LONGEST_PERIOD_DAYS, **kwargs: Any) -> None:
        """longest_days: for how long the consent still lets a period that starts now be delivered."""
        super().__init__(*args, **kwargs)
        self.longest_days = longest_days
        for slot in PERIOD_SLOTS:
            self.fields[f"days_{slot}"] = forms.IntegerField(
                label=f"Period {slot}: length",
                required=False,
                min_value=1,
                max_value=LONGEST_PERIOD_DAYS,
                widget=forms.NumberInput(attrs={"class": "input-short", "inputmode": "numeric"}),
                error_messages={
                    "min_value": "A period lasts 1 to 366 days, or as many hours.",
                    "max_value": "A period lasts 1 to 366 days, or as many hours.",
                    "invalid": "Write the days as a whole number, such as 30.",
                },
            )
            self.fields[f"unit_{slot}"] = forms.ChoiceField(
                label=f"Period {slot}: unit", required=False, choices=[("days", "days"), ("hours", "hours")]
            )
            self.fields[f"price_{slot}"] = price_field(f"Period {slot}: price (EUR)")
            self.fields[f"renews_{slot}"] = forms.BooleanField(label=f"Period {slot}: renews by itself", required=False)

    def period_rows(self) -> list[tuple[forms.BoundField, ...]]:
        names = ("days", "unit", "price", "renews")
        return [tuple(self[f"{name}_{slot}"] for name in names) for slot in PERIOD_SLOTS]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for slot in PERIOD_SLOTS:
            days, price = cleaned.get(f"days_{slot}"), cleaned.get(f"price_{slot}")
            if days and not price and f"price_{slot}" not in self.errors:
                self.add_error(f"price_{slot}", "Add the price of this period, or clear its days.")
            if price and not days and f"days_{slot}" not in self.errors:
                self.add_error(f"days_{slot}", "Add how many days this price is for, or clear it.")
        self._refuse_contradictions(cleaned)
        self._refuse_loose_meter(cleaned)
        if not self.errors and not self.plans():
            raise ValidationError("Offer at least one plan: tick the free one, or fill in a price.", code="no_plan")
        return cleaned

    def _refuse_contradictions(self, cleaned: Mapping[str, Any]) -> None:
        """The service refuses these too; here each is said beside the field that has to change."""
        if cleaned.get("is_free") and cleaned.get("one_off_price"):
            self.add_error("one_off_price", "Nobody pays for what is free beside it. Clear this price or untick free.")
        if cleaned.get("trial_days") and cleaned.get("trial_rows"):
            self.add_error("trial_rows", "A trial ends by days or by rows. Clear one of the two.")
        seen: set[tuple[int, bool]] = set()
        for slot in PERIOD_SLOTS:
            seconds = self._seconds(cleaned, slot)
            sold = (seconds, bool(cleaned.get(f"renews_{slot}")))
            if seconds and sold in seen:
                self.add_error(f"days_{slot}", "Another period has this length already. Change one of them.")
            elif seconds > self.longest_days * DAY_SECONDS:
                self.add_error(f"days_{slot}", self._too_long())
            if seconds:
                seen.add(sold)

    def _refuse_loose_meter(self, cleaned: Mapping[str, Any]) -> None:
        extras = [cleaned.get(name) for name in ("base_price", "free_rows", "cap_price")]
        if any(extras) and not cleaned.get("row_price") and "row_price" not in self.errors:
            self.add_error("row_price", "Add the price of 1,000 rows, or clear what belongs to it.")
        self.refuse_low_cap(cleaned)

    def _seconds(self, cleaned: Mapping[str, Any], slot: int) -> int:
        return (cleaned.get(f"days_{slot}") or 0) * UNITS[cleaned.get(f"unit_{slot}") or "days"]

    def _too_long(self) -> str:
        if self.longest_days < 1:
            return "Your consent ends too soon for any period. Sell under one that ends later."
        left = plural(self.longest_days, "day")
        return f"Under your consent a period can last {left} at most from now on. Shorten it, or grant a new consent."

    def plans(self) -> list[PlanTerms]:
        """The plans that are filled in so far, in the order in which buyers see them."""
        cleaned = self.cleaned_data
        found = [PlanTerms(Plan.Kind.FREE, 0)] if cleaned.get("is_free") else []
        if cleaned.get("one_off_price"):
            found.append(PlanTerms(Plan.Kind.ONE_OFF, to_micros(cleaned["one_off_price"])))
        for slot in PERIOD_SLOTS:
            seconds, price = self._seconds(cleaned, slot), cleaned.get(f"price_{slot}")
            if seconds and price:
                renews = bool(cleaned.get(f"renews_{slot}"))
                found.append(PlanTerms(Plan.Kind.PERIOD, to_micros(price), seconds, is_renewing=renews))
        if cleaned.get("row_price"):
            found.append(self.meter_terms())
        if cleaned.get("trial_days"):
            found.append(PlanTerms(Plan.Kind.TRIAL, trial_seconds=cleaned["trial_days"] * DAY_SECONDS))
        elif cleaned.get("trial_rows"):
            found.append(PlanTerms(Plan.Kind.TRIAL, trial_rows=cleaned["trial_rows"]))
        return found


class OfferForm(forms.Form):
    """A price for one person, until a day."""

    email = forms.EmailField(
        label="Whose e-mail address",
        help_text="Only who has proven this address sees the offer.",
        error_messages={"required": "Write the buyer's e-mail address.", "invalid": "Write a whole e-mail address."},
    )
    sold = forms.ChoiceField(
        label="What you offer",
        choices=[("history", "The history up to now, once"), ("period", "A period from then on")],
        widget=forms.RadioSelect,
        initial="history",
    )
    days = count_field("Days of the period", most=LONGEST_PERIOD_DAYS, unit="days", help_text="Only for a period.")
    price = price_field("What this buyer pays, market fee included (EUR)", required=True)
    open_days = forms.IntegerField(
        label="Open for how many days",
        min_value=1,
        max_value=90,
        initial=14,
        widget=forms.NumberInput(attrs={"class": "input-short", "inputmode": "numeric"}),
        error_messages={
            "required": "Say for how many days the offer stays open.",
            "min_value": "An offer is open 1 to 90 days.",
            "max_value": "An offer is open 1 to 90 days.",
            "invalid": "Write the days as a whole number, such as 14.",
        },
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("sold") == "period" and not cleaned.get("days") and "days" not in self.errors:
            self.add_error("days", "Say how many days the period lasts.")
        return cleaned

    def terms(self) -> PlanTerms:
        cleaned = self.cleaned_data
        if cleaned["sold"] == "period":
            return PlanTerms(Plan.Kind.PERIOD, to_micros(cleaned["price"]), cleaned["days"] * DAY_SECONDS)
        return PlanTerms(Plan.Kind.ONE_OFF, to_micros(cleaned["price"]))


def longest_days(consent: Consent, at: datetime) -> int:
    """How many days a period can last that starts now, so that all of it is delivered before the consent ends."""
    left = consent.valid_until - timedelta(seconds=consent.delay_seconds) - at
    return max(0, min(left.days, LONGEST_PERIOD_DAYS))


def to_micros(price: Decimal) -> int:
    return int(price * MICROS_PER_UNIT)


def plan_values(plans: Iterable[Plan]) -> dict[str, Any]:
    """The saved plans as the form's first values."""
    values: dict[str, Any] = {}
    slots = iter(PERIOD_SLOTS)
    for plan in plans:
        if plan.kind == Plan.Kind.FREE:
            values["is_free"] = True
        elif plan.kind == Plan.Kind.ONE_OFF:
            values["one_off_price"] = _euros(plan.price_micros)
        elif plan.kind == Plan.Kind.METERED:
            values |= meter_values(plan)
        elif plan.kind == Plan.Kind.TRIAL:
            values["trial_days"] = plan.trial_seconds // DAY_SECONDS if plan.trial_seconds else None
            values["trial_rows"] = plan.trial_rows
        elif (slot := next(slots, None)) is not None:
            values |= _period_values(plan, slot)
    return values


def _period_values(plan: Plan, slot: int) -> dict[str, Any]:
    seconds = plan.period_seconds or 0
    unit = "hours" if seconds % DAY_SECONDS else "days"
    return {
        f"days_{slot}": seconds // UNITS[unit],
        f"unit_{slot}": unit,
        f"price_{slot}": _euros(plan.price_micros),
        f"renews_{slot}": plan.is_renewing,
    }
