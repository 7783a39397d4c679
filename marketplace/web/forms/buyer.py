"""What buyers send: the catalogue's address, a purchase, a top-up, settings."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.http import QueryDict

from devices.limits import LONGEST_MEASURE_NAME
from marketplace.accounts.models import ApiKey, User
from marketplace.accounts.places import country_choices, time_zone_choices
from marketplace.listings.catalogue import FRESHNESS_BANDS, PRICE_BANDS, SORTS, CatalogueSearch
from marketplace.listings.facets import FACETS, FacetSelection
from marketplace.listings.models import Category, Listing, Plan
from marketplace.purchases.models import Purchase
from marketplace.wallet.gateway.services import ANSWERS, ORDERS
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.forms.money import MoneyField

LONGEST_SEARCH = 120
MOST_CHOICES = 20
LONGEST_VALUE = LONGEST_MEASURE_NAME
KNOWN_VALUES = {"category": Category.values, "price": PRICE_BANDS, "freshness": FRESHNESS_BANDS}


def read_search(query: QueryDict) -> CatalogueSearch:
    """Read the catalogue's address. What is unknown in it is left out: an old link still shows something."""
    text = " ".join(query.get("q", "").replace("\0", " ").split())[:LONGEST_SEARCH]
    sort = query.get("sort", "")
    selection = FacetSelection(**{kind: _chosen(query, kind) for kind in FACETS})
    return CatalogueSearch(text=text, selection=selection, sort=sort if sort in SORTS else "")


def _chosen(query: QueryDict, kind: str) -> tuple[str, ...]:
    values = dict.fromkeys(value for value in query.getlist(kind) if len(value) <= LONGEST_VALUE and "\0" not in value)
    known = KNOWN_VALUES.get(kind)
    return tuple(value for value in values if known is None or value in known)[:MOST_CHOICES]


def read_uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        return None


class PurchaseForm(forms.Form):
    """One purchase as it was shown: the plan, its price then, and a key that makes a repeat harmless."""

    plan = forms.ModelChoiceField(Plan.objects.none(), to_field_name="public_id", widget=forms.HiddenInput)
    quoted_micros = forms.IntegerField(min_value=0, max_value=2**53, widget=forms.HiddenInput)
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, listing: Listing, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["plan"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = listing.plans.all()
        field.error_messages["invalid_choice"] = "This listing does not offer that plan. Look at its plans again."


class TopUpForm(forms.Form):
    amount = MoneyField(
        label="Amount in EUR",
        min_value=Decimal(1),
        max_value=Decimal(5000),
        max_digits=6,
        help_text="Between 1 and 5,000, in whole cents.",
        error_messages={
            "required": "Enter the amount.",
            "invalid": "Enter the amount as a number, such as 12.40.",
            "min_value": "A top-up is at least EUR 1.",
            "max_value": "A top-up is at most EUR 5,000.",
            "max_digits": "A top-up is at most EUR 5,000.",
            "max_whole_digits": "A top-up is at most EUR 5,000.",
            "max_decimal_places": "Enter whole cents, such as 12.40.",
        },
    )
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)
    next = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    @property
    def amount_micros(self) -> int:
        return int(self.cleaned_data["amount"] * MICROS_PER_UNIT)


class OutcomeForm(forms.Form):
    """What the built-in payment provider shall say, and how."""

    outcome = forms.ChoiceField(choices=[(answer, answer) for answer in ANSWERS])
    order = forms.ChoiceField(choices=[(order, order) for order in ORDERS], required=False)

    def clean_order(self) -> str:
        return str(self.cleaned_data["order"]) or "once"


class SettingsForm(forms.ModelForm):
    time_zone = forms.ChoiceField(
        label="Time zone", choices=time_zone_choices, help_text="Times on your pages are shown in it, beside UTC."
    )
    country = forms.ChoiceField(label="Country", choices=country_choices, required=False)

    class Meta:
        model = User
        fields = ["display_name", "time_zone", "country"]
        labels = {"display_name": "Name that others see"}
        help_texts = {"display_name": "Buyers and sellers see it. Leave it empty to appear as a neutral handle."}

    def clean_display_name(self) -> str:
        return " ".join(str(self.cleaned_data["display_name"]).split())


class ApiKeyForm(forms.Form):
    name = forms.CharField(
        label="Name of the key",
        max_length=ApiKey._meta.get_field("name").max_length,
        help_text="Which program or machine will use it, such as “weather script on the office server”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class CapForm(forms.Form):
    """The most that a month may cost; empty for no cap of one's own."""

    cap = MoneyField(
        label="Your own cap a month (EUR)",
        required=False,
        min_value=Decimal("0.01"),
        max_value=Decimal(1_000_000),
        help_text="At it, loading stops until the next month. Leave it empty for no cap.",
        error_messages={
            "min_value": "A cap is at least EUR 0.01.",
            "max_value": "A cap is at most EUR 1,000,000.",
            "max_digits": "Write the cap with at most two decimals, such as 12.50.",
            "max_decimal_places": "Write the cap with at most two decimals, such as 12.50.",
            "invalid": "Write the cap as a number, such as 12.50.",
        },
    )

    def cap_micros(self) -> int | None:
        cap = self.cleaned_data["cap"]
        return int(cap * MICROS_PER_UNIT) if cap is not None else None


def cap_values(purchase: Purchase) -> dict[str, str]:
    cap = purchase.own_cap_micros
    return {"cap": f"{Decimal(cap) / MICROS_PER_UNIT:.2f}"} if cap is not None else {}
