from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from devices.models import Device, Measure
from marketplace.accounts.models import User
from marketplace.consents.models import Audience, Resolution
from marketplace.consents.purposes import PURPOSES
from marketplace.countries import country_name
from marketplace.web.wording import RESOLUTION_NOTES, join_words, measure_label, unit_label

HOUR = 3600
DAY = 24 * HOUR
DELAYS = [
    (0, "None: as soon as it arrives"),
    (HOUR, "1 hour"),
    (DAY, "1 day"),
    (7 * DAY, "1 week"),
    (30 * DAY, "30 days"),
]
MOST_BUYERS = 50
USUAL_TERM_DAYS = 365
FIELD_BY_CODE = {
    "consent_without_devices": "devices",
    "device_not_usable": "devices",
    "field_unknown": "fields_allowed",
    "audience_incomplete": "buyer_emails",
    "term_out_of_range": "valid_until",
    "raw_of_others": "resolution",
}


def explained(label: str, note: str) -> SafeString:
    return format_html("<span>{}<br><small>{}</small></span>", label, note)


def end_of_day(day: date, zone: tzinfo) -> datetime:
    """The last moment of a day where the owner lives."""
    return datetime.combine(day + timedelta(days=1), time.min, tzinfo=zone)


def field_choices(devices: list[Device]) -> list[tuple[str, SafeString]]:
    """Every measure of the devices once, with its unit and the devices that have it."""
    owners: dict[str, list[str]] = defaultdict(list)
    units: dict[str, set[str]] = defaultdict(set)
    for measure in Measure.objects.filter(device__in=devices).select_related("device"):
        owners[measure.name].append(measure.device.name)
        units[measure.name].add(unit_label(measure.unit))
    return [
        (
            name,
            explained(
                f"{measure_label(name)} ({', '.join(sorted(units[name]))})",
                f"{name} · measured by {join_words(owners[name])}",
            ),
        )
        for name in sorted(owners)
    ]


class DeviceChoice(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> SafeString:
        place = ", ".join(part for part in (obj.region, country_name(obj.country)) if part)
        return explained(obj.name, f"{obj.get_kind_display()}, {place}" if place else obj.get_kind_display())


class ConsentForm(forms.Form):
    devices = DeviceChoice(
        label="Devices",
        queryset=Device.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text="Buyers see them as device-1, device-2 and so on, never by name.",
        error_messages={"required": "Choose at least one device."},
    )
    fields_allowed = forms.MultipleChoiceField(
        label="What may be read",
        widget=forms.CheckboxSelectMultiple(attrs={"data-tick-all": True}),
        error_messages={"required": "Choose at least one field."},
    )
    resolution = forms.ChoiceField(
        label="How fine",
        choices=[(value, explained(label, RESOLUTION_NOTES[Resolution(value)])) for value, label in Resolution.choices],
        widget=forms.RadioSelect,
        initial=Resolution.HOUR,
        error_messages={"required": "Choose how fine the readings may be."},
    )
    delay_seconds = forms.TypedChoiceField(
        label="How late", choices=DELAYS, coerce=int, initial=0, help_text="How long after a reading buyers get it."
    )
    purposes = forms.MultipleChoiceField(
        label="What for",
        choices=[(purpose.code, explained(purpose.label, purpose.explanation)) for purpose in PURPOSES],
        widget=forms.CheckboxSelectMultiple,
        help_text="Buyers may use the data for the ticked purposes and for nothing else.",
        error_messages={"required": "Choose at least one purpose. Without one, nothing is allowed."},
    )
    records_others = forms.BooleanField(
        label="Other people may be recorded, such as guests or people you live with",
        required=False,
        help_text="Then readings are never sold one by one: choose 1 minute averages or coarser.",
    )
    audience = forms.ChoiceField(
        label="Who may buy",
        choices=Audience.choices,
        widget=forms.RadioSelect,
        initial=Audience.ANYONE,
        error_messages={"required": "Choose who may buy."},
    )
    buyer_emails = forms.CharField(
        label="Their e-mail addresses",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="Only if you name the people: one address a line.",
    )
    valid_until = forms.DateField(
        label="Until the end of",
        widget=forms.DateInput(attrs={"type": "date", "class": "input-short"}, format="%Y-%m-%d"),
        help_text="At most five years ahead. You can withdraw at any time before.",
        # The service says how far ahead; at the very ends of the calendar a day more, or a zone's offset, overflows.
        validators=[
            MinValueValidator(date(1970, 1, 1), "Choose a day to come."),
            MaxValueValidator(date(9000, 1, 1), "Choose a day at most five years ahead."),
        ],
        error_messages={
            "required": "Choose the last day on which the data may be read.",
            "invalid": "Write the day as 2027-05-31.",
        },
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usable = Device.objects.owned_by(owner).ever_enrolled().order_by("name", "pk")
        devices, allowed = self.fields["devices"], self.fields["fields_allowed"]
        assert isinstance(devices, DeviceChoice)
        assert isinstance(allowed, forms.MultipleChoiceField)
        devices.queryset = usable
        allowed.choices = field_choices(list(usable))
        # Twelve months unless the owner says otherwise.
        self.fields["valid_until"].initial = timezone.localdate() + timedelta(days=USUAL_TERM_DAYS)

    def clean_buyer_emails(self) -> list[str]:
        addresses = self.cleaned_data["buyer_emails"].replace(",", " ").replace(";", " ").split()
        if len(addresses) > MOST_BUYERS:
            raise ValidationError(f"Name at most {MOST_BUYERS} people.")
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(f"“{address}” is not an e-mail address. Write one address a line.") from error
        return addresses

    def clean_valid_until(self) -> datetime:
        return end_of_day(self.cleaned_data["valid_until"], timezone.get_current_timezone())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("audience") == Audience.NAMED and not cleaned.get("buyer_emails") and not self.errors:
            self.add_error("buyer_emails", "Name at least one person, or let anyone buy.")
        return cleaned

    def terms(self) -> Mapping[str, Any]:
        """The cleaned values under the names that grant_consent takes."""
        cleaned = dict(self.cleaned_data)
        chosen, allowed = cleaned.pop("devices"), cleaned.pop("fields_allowed")
        return {**cleaned, "devices": list(chosen), "fields": allowed}
