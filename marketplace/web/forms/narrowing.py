from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone

from marketplace.consents.models import Consent, Resolution
from marketplace.consents.purposes import PURPOSES
from marketplace.consents.services import Terms
from marketplace.web.formats import duration_text
from marketplace.web.forms.consents import DELAYS, end_of_day, explained
from marketplace.web.wording import RESOLUTION_NOTES, measure_label

FIELD_BY_CODE = {
    "consent_without_fields": "fields_allowed",
    "consent_without_purposes": "purposes",
    "term_out_of_range": "valid_until",
}


class NarrowingForm(forms.Form):
    """What a consent allows, to take away from: nothing that it does not allow can be chosen."""

    fields_allowed = forms.MultipleChoiceField(
        label="What may still be read",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Leave at least one field, or withdraw the consent."},
    )
    resolution = forms.ChoiceField(label="How fine", widget=forms.RadioSelect)
    delay_seconds = forms.TypedChoiceField(label="How late", coerce=int)
    purposes = forms.MultipleChoiceField(
        label="What for",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Leave at least one purpose, or withdraw the consent."},
    )
    valid_until = forms.DateField(
        label="Until the end of",
        widget=forms.DateInput(attrs={"type": "date", "class": "input-short"}, format="%Y-%m-%d"),
        error_messages={"invalid": "Write the day as 2027-05-31."},
    )

    def __init__(self, data: QueryDict | None, *, consent: Consent) -> None:
        self.consent = consent
        last_day = timezone.localdate(consent.valid_until - timedelta(microseconds=1))
        steps = Resolution.values[Resolution.values.index(consent.resolution) :]
        delays = dict(option for option in DELAYS if option[0] > consent.delay_seconds)
        kept = duration_text(consent.delay_seconds) if consent.delay_seconds else dict(DELAYS)[0]
        choices: dict[str, list[tuple[Any, Any]]] = {
            "fields_allowed": [(name, measure_label(name)) for name in consent.fields],
            "resolution": [
                (step, explained(Resolution(step).label, RESOLUTION_NOTES[Resolution(step)])) for step in steps
            ],
            "delay_seconds": [(consent.delay_seconds, kept), *delays.items()],
            "purposes": [
                (purpose.code, explained(purpose.label, purpose.explanation))
                for purpose in PURPOSES
                if purpose.code in consent.purposes
            ],
        }
        terms = Terms.of(consent)
        initial = {
            "fields_allowed": terms.fields,
            "resolution": terms.resolution,
            "delay_seconds": terms.delay_seconds,
            "purposes": terms.purposes,
            "valid_until": last_day,
        }
        super().__init__(data, initial=initial)
        for name, offered in choices.items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = offered
        self.fields["valid_until"].widget.attrs["max"] = last_day.isoformat()

    def terms(self) -> Terms:
        """The last day left as it is means the very moment that the consent has."""
        cleaned = self.cleaned_data
        is_new = cleaned["valid_until"] != self.initial["valid_until"]
        new_end = end_of_day(cleaned["valid_until"], timezone.get_current_timezone())
        return Terms(
            fields=cleaned["fields_allowed"],
            purposes=cleaned["purposes"],
            resolution=cleaned["resolution"],
            delay_seconds=cleaned["delay_seconds"],
            valid_until=new_end if is_new else self.consent.valid_until,
        )
