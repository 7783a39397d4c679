"""What people choose about what they are told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django import forms

from marketplace.notices.kinds import ALWAYS_MAILED, LABELS, NoticeKind

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
