from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils import timezone

from marketplace.delivery.exports.formats import FORMS, Format
from marketplace.delivery.exports.making import Wish
from marketplace.delivery.services import Column

_CHOICES = [(str(form), about.label) for form, about in FORMS.items()]


class DownloadForm(forms.Form):
    """What of a bought table somebody wants as a file, and in which form."""

    format = forms.ChoiceField(label="Format", choices=_CHOICES, initial=Format.CSV)
    start = forms.DateTimeField(
        label="From",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )
    until = forms.DateTimeField(
        label="Until",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"),
    )
    columns = forms.MultipleChoiceField(
        label="Columns",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked means all of them. Time and device are always there.",
    )

    def __init__(self, *args: Any, columns: Sequence[Column], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zone = timezone.get_current_timezone_name()
        self.fields["start"].help_text = f"In {zone}. Leave both empty for everything that you may load."
        field = self.fields["columns"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(column.name, _title(column)) for column in columns if column.kind == "double"]
        if len(field.choices) < 2:
            del self.fields["columns"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        start, until = cleaned.get("start"), cleaned.get("until")
        if start and until and start >= until:
            self.add_error("until", "Choose an end after the start.")
        return cleaned

    def wish(self) -> Wish:
        cleaned = self.cleaned_data
        names = tuple(cleaned.get("columns") or ()) or None
        return Wish(Format(cleaned["format"]), cleaned["start"], cleaned["until"], names)


def _title(column: Column) -> str:
    return f"{column.field} ({column.unit})" if column.unit else column.field
