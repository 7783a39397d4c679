"""What people choose about what they are told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from django import forms

from marketplace.notices.kinds import ALWAYS_MAILED, LABELS, NoticeKind
from marketplace.notices.targets import LONGEST_URL

KINDS_TO_CHOOSE = [(kind.value, LABELS[kind]) for kind in NoticeKind if kind not in ALWAYS_MAILED]


class MailForm(forms.Form):
    """Which kinds are mailed, of those that need not be."""

    kinds = forms.MultipleChoiceField(
        label="Send me a letter when",
        choices=KINDS_TO_CHOOSE,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        error_messages={"invalid_choice": "Choose from the list."},
    )

    @classmethod
    def of(cls, muted: Collection[NoticeKind]) -> Self:
        return cls(initial={"kinds": [kind for kind, _ in KINDS_TO_CHOOSE if kind not in muted]})

    def chosen_kinds(self) -> list[NoticeKind]:
        return [NoticeKind(kind) for kind in self.cleaned_data["kinds"]]


class WebhookForm(forms.Form):
    """Where a program is told, and of what."""

    url = forms.CharField(
        label="Address",
        max_length=LONGEST_URL,
        help_text="Your program takes a POST there, by https.",
        widget=forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        error_messages={"required": "Enter the address of your program."},
    )
    kinds = forms.MultipleChoiceField(
        label="Tell it when",
        choices=[(kind.value, LABELS[kind]) for kind in NoticeKind],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one.", "invalid_choice": "Choose from the list."},
    )

    def choices_made(self) -> dict[str, Any]:
        """url and kinds, as the services take them."""
        return {"url": self.cleaned_data["url"], "kinds": [NoticeKind(kind) for kind in self.cleaned_data["kinds"]]}
