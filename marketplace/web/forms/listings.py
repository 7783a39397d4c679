from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.timezone import get_current_timezone

from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.models import Category, Listing
from marketplace.web.formats import end_text
from marketplace.web.wording import first_fields_text, resolution_label

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


def text_values(listing: Listing) -> dict[str, str]:
    return {
        "title": listing.title,
        "summary": listing.summary,
        "category": listing.category,
        "licence_text": listing.licence_text,
    }
