from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timezone import get_current_timezone

from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Category, Listing, Plan
from marketplace.listings.services import LONGEST_PERIOD_DAYS
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.formats import end_text, plural
from marketplace.web.forms.money import MoneyField
from marketplace.web.wording import first_fields_text, resolution_label

PERIOD_SLOTS = (1, 2, 3)
LICENCE = "\n\n".join(
    [
        "You may use this data for the purposes named in the consent, and for nothing else, until your access ends.",
        "You may publish what you compute from it, as long as nobody can recover single readings or a device's place.",
        "You may not pass on the data itself, resell it, or combine it with other data to find out who owns a device.",
        "When the owner withdraws, delivery stops at once. What you received before stays yours under these terms.",
    ]
)


class ConsentChoice(forms.ModelChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        until = end_text(obj.valid_until, get_current_timezone())
        return f"{first_fields_text(obj.fields)} · {resolution_label(obj.resolution)} · until {until}"


class ListingTextForm(forms.Form):
    """What is sold: the first step."""

    title = forms.CharField(
        label="Title",
        max_length=120,
        help_text="What is measured, where, how often: “Roof weather, every minute, Berlin”.",
        error_messages={"required": "Give the listing a title."},
    )
    summary = forms.CharField(
        label="About the data",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="What is the device, how is it mounted, what should a buyer know? Not your name or address.",
        error_messages={"required": "Say in a few sentences what the data is."},
    )
    category = forms.ChoiceField(label="Category", choices=[("", "Choose a category"), *Category.choices])
    licence_text = forms.CharField(
        label="Licence",
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 10}),
        initial=LICENCE,
        help_text="What buyers may do with the data. This text is a start; change it as you like.",
        error_messages={"required": "Say what buyers may do with the data."},
    )


class NewListingForm(ListingTextForm):
    consent = ConsentChoice(
        label="The consent it stands on",
        queryset=Consent.objects.none(),
        empty_label=None,
        widget=forms.RadioSelect,
        help_text="Buyers get exactly what this consent allows.",
        error_messages={"required": "Choose the consent under which you sell."},
    )
    field_order = ["consent"]

    def __init__(self, *args: Any, seller: User, at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["consent"]
        assert isinstance(field, ConsentChoice)
        field.queryset = Consent.objects.filter(owner=seller).active_at(at)


def price_field(label: str) -> MoneyField:
    return MoneyField(
        label=label,
        required=False,
        min_value=Decimal("0.01"),
        max_value=Decimal(1_000_000),
        error_messages={
            "min_value": "A price is at least EUR 0.01. Offer the free plan to give the data away.",
            "max_value": "A price is at most EUR 1,000,000.",
            "max_digits": "Write the price with at most two decimals, such as 12.50.",
            "max_decimal_places": "Write the price with at most two decimals, such as 12.50.",
            "invalid": "Write the price as a number, such as 12.50.",
        },
    )


class PriceForm(forms.Form):
    """Another price for one plan."""

    price = price_field("What the buyer pays, market fee included (EUR)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["price"].required = True
        self.fields["price"].error_messages["required"] = "Write the new price as a number, such as 12.50."


def price_values(plan: Plan) -> dict[str, str]:
    return {"price": f"{Decimal(plan.price_micros) / MICROS_PER_UNIT:.2f}"}


class PlansForm(forms.Form):
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

    def __init__(self, *args: Any, longest_days: int = LONGEST_PERIOD_DAYS, **kwargs: Any) -> None:
        """longest_days: for how long the consent still lets a period that starts now be delivered."""
        super().__init__(*args, **kwargs)
        self.longest_days = longest_days
        for slot in PERIOD_SLOTS:
            self.fields[f"days_{slot}"] = forms.IntegerField(
                label=f"Period {slot}: days",
                required=False,
                min_value=1,
                max_value=LONGEST_PERIOD_DAYS,
                widget=forms.NumberInput(attrs={"class": "input-short", "inputmode": "numeric"}),
                error_messages={
                    "min_value": "A period lasts 1 to 366 days.",
                    "max_value": "A period lasts 1 to 366 days.",
                    "invalid": "Write the days as a whole number, such as 30.",
                },
            )
            self.fields[f"price_{slot}"] = price_field(f"Period {slot}: price (EUR)")

    def period_rows(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"days_{slot}"], self[f"price_{slot}"]) for slot in PERIOD_SLOTS]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for slot in PERIOD_SLOTS:
            days, price = cleaned.get(f"days_{slot}"), cleaned.get(f"price_{slot}")
            if days and not price and f"price_{slot}" not in self.errors:
                self.add_error(f"price_{slot}", "Add the price of this period, or clear its days.")
            if price and not days and f"days_{slot}" not in self.errors:
                self.add_error(f"days_{slot}", "Add how many days this price is for, or clear it.")
        self._refuse_contradictions(cleaned)
        if not self.errors and not self.plans():
            raise ValidationError("Offer at least one plan: tick the free one, or fill in a price.", code="no_plan")
        return cleaned

    def _refuse_contradictions(self, cleaned: Mapping[str, Any]) -> None:
        """The service refuses these too; here each is said beside the field that has to change."""
        if cleaned.get("is_free") and cleaned.get("one_off_price"):
            self.add_error("one_off_price", "Nobody pays for what is free beside it. Clear this price or untick free.")
        seen: set[int] = set()
        for slot in PERIOD_SLOTS:
            days = cleaned.get(f"days_{slot}")
            if days in seen:
                self.add_error(f"days_{slot}", "Another period has this length already. Change one of them.")
            elif days and days > self.longest_days:
                self.add_error(f"days_{slot}", self._too_long())
            if days:
                seen.add(days)

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
            days, price = cleaned.get(f"days_{slot}"), cleaned.get(f"price_{slot}")
            if days and price:
                found.append(PlanTerms(Plan.Kind.PERIOD, to_micros(price), days))
        return found


def longest_days(consent: Consent, at: datetime) -> int:
    """How many days a period can last that starts now, so that all of it is delivered before the consent ends."""
    left = consent.valid_until - timedelta(seconds=consent.delay_seconds) - at
    return max(0, min(left.days, LONGEST_PERIOD_DAYS))


def to_micros(price: Decimal) -> int:
    return int(price * MICROS_PER_UNIT)


def plan_values(plans: Sequence[Plan]) -> dict[str, Any]:
    """The saved plans as the form's first values."""
    values: dict[str, Any] = {}
    slots = iter(PERIOD_SLOTS)
    for plan in plans:
        price = f"{Decimal(plan.price_micros) / MICROS_PER_UNIT:.2f}"
        if plan.kind == Plan.Kind.FREE:
            values["is_free"] = True
        elif plan.kind == Plan.Kind.ONE_OFF:
            values["one_off_price"] = price
        elif (slot := next(slots, None)) is not None:
            values |= {f"days_{slot}": plan.period_days, f"price_{slot}": price}
    return values


def text_values(listing: Listing) -> dict[str, str]:
    return {
        "title": listing.title,
        "summary": listing.summary,
        "category": listing.category,
        "licence_text": listing.licence_text,
    }
