from __future__ import annotations

from typing import Any

from django import forms

from marketplace.access.errors import NarrowingInvalid
from marketplace.access.models import LONGEST_NAME
from marketplace.access.services import MOST_REQUESTS_A_MINUTE, MOST_ROWS, Narrowing, read_networks
from marketplace.consents.models import Consent


def _moment(label: str, help_text: str = "") -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(label=label, required=False, widget=widget, help_text=help_text)


class TokenForm(forms.Form):
    """A token as narrow as somebody wants it. Everything may stay empty; then it opens what was bought."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=LONGEST_NAME,
        help_text="Which program or person it is for. Only you see it.",
    )
    chosen_fields = forms.MultipleChoiceField(
        label="Fields",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked means all of them.",
    )
    window_from = _moment("Readings from")
    window_until = _moment("Readings until")
    expires_at = _moment("Works until", "Empty means as long as the purchase.")
    row_cap = forms.IntegerField(label="Rows in all", required=False, min_value=1, max_value=MOST_ROWS)
    rate_per_minute = forms.IntegerField(
        label="Requests a minute", required=False, min_value=1, max_value=MOST_REQUESTS_A_MINUTE
    )
    networks = forms.CharField(
        label="Networks",
        required=False,
        max_length=1400,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One a line, such as 192.0.2.0/24 or 2001:db8::/32. From anywhere else the token is refused.",
    )

    def __init__(self, *args: Any, consent: Consent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["chosen_fields"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in consent.fields]

    @property
    def is_narrowed(self) -> bool:
        """Whether the limits are to be seen at once: something is in them, or wrong with them."""
        return self.is_bound and any(self.data.get(name) for name in self.fields if name != "name")

    def clean_networks(self) -> tuple[str, ...]:
        lines = self.cleaned_data["networks"].replace(",", "\n").splitlines()
        try:
            return read_networks(line for line in lines if line.strip())
        except NarrowingInvalid as error:
            raise forms.ValidationError(str(error)) from error

    def narrowing(self) -> Narrowing:
        cleaned = self.cleaned_data
        return Narrowing(
            fields=tuple(cleaned["chosen_fields"]) or None,
            window_from=cleaned["window_from"],
            window_until=cleaned["window_until"],
            expires_at=cleaned["expires_at"],
            rate_per_minute=cleaned["rate_per_minute"],
            row_cap=cleaned["row_cap"],
            networks=cleaned["networks"],
        )

    def refuse(self, sentence: str, field: object) -> None:
        """Put a refusal beside what it is about."""
        name = "chosen_fields" if field == "fields" else str(field)
        self.add_error(name if name in self.fields else None, sentence)
