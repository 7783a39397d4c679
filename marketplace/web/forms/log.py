from typing import Any

from django import forms
from django.db.models import QuerySet

from ledger.models import Entry
from ledger.policy import LARGEST_POLICY
from ledger.receipts import LARGEST_RECEIPT

LARGEST_INDEX = 2**63 - 1
_LARGEST_EXTRA = 8192


class EntryFilterForm(forms.Form):
    """What the explorer's address may narrow: kind, time, and where the page starts."""

    kind = forms.ChoiceField(label="Kind", required=False)
    since = forms.DateTimeField(
        label="From (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Give a date and a time, such as 2026-05-31T12:00."},
    )
    until = forms.DateTimeField(
        label="Until (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        error_messages={"invalid": "Give a date and a time, such as 2026-05-31T12:00."},
    )
    before = forms.IntegerField(required=False, min_value=0, max_value=LARGEST_INDEX, widget=forms.HiddenInput)

    def __init__(self, *args: Any, kinds: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Every kind"), *((kind, kind) for kind in kinds)]

    @property
    def chosen(self) -> dict[str, Any]:
        return self.cleaned_data if self.is_bound and self.is_valid() else {}

    @property
    def is_filtered(self) -> bool:
        return any(self.chosen.get(name) for name in ("kind", "since", "until"))

    def matching(self, entries: QuerySet[Entry]) -> QuerySet[Entry]:
        """Newest first, below where the page starts. From is included, until is not."""
        lookups = {"kind": "kind", "since": "at__gte", "until": "at__lt", "before": "index__lt"}
        wanted = {
            lookup: self.chosen[name] for name, lookup in lookups.items() if self.chosen.get(name) not in {None, ""}
        }
        return entries.filter(**wanted).order_by("-index")


class BoundedFile(forms.FileField):
    """A small file whose bytes are looked at and not kept."""

    def __init__(self, *, most: int, **kwargs: Any) -> None:
        self.most = most
        super().__init__(**kwargs)

    def clean(self, data: Any, initial: Any = None) -> Any:
        chosen = super().clean(data, initial)
        if chosen and chosen.size > self.most:
            raise forms.ValidationError(f"This file is too large: at most {self.most:,} bytes.", code="file_too_large")
        return chosen


class ReceiptForm(forms.Form):
    receipt = BoundedFile(
        label="Receipt",
        most=LARGEST_RECEIPT,
        required=False,
        help_text="A file that ends in .tlog-proof. Drop it here or choose it.",
        widget=forms.FileInput(attrs={"accept": ".tlog-proof,text/plain", "data-drop": ""}),
    )
    receipt_text = forms.CharField(
        label="Or paste it",
        required=False,
        max_length=LARGEST_RECEIPT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    entry = BoundedFile(
        label="The entry's bytes",
        most=_LARGEST_EXTRA,
        required=False,
        help_text="Needed only for a receipt that does not carry them. Ours do.",
    )
    disclosure = BoundedFile(
        label="A disclosure",
        most=_LARGEST_EXTRA,
        required=False,
        help_text="A JSON file by which an owner shows whose code stands in the entry.",
    )
    policy = forms.CharField(
        label="A policy of your own",
        required=False,
        max_length=LARGEST_POLICY,
        strip=False,
        help_text="Whose signatures you trust (C2SP tlog-policy). Left empty, this log's own is used.",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors and not cleaned.get("receipt") and not cleaned.get("receipt_text"):
            self.add_error("receipt", forms.ValidationError("Choose or paste a receipt first.", code="required"))
        return cleaned

    @property
    def receipt_bytes(self) -> bytes:
        chosen = self.cleaned_data["receipt"]
        # A browser sends each line of a text area with CR and LF; no receipt holds a CR.
        return chosen.read() if chosen else self.cleaned_data["receipt_text"].replace("\r\n", "\n").encode()

    @property
    def policy_bytes(self) -> bytes:
        return self.cleaned_data["policy"].replace("\r\n", "\n").encode()

    def bytes_of(self, name: str) -> bytes | None:
        chosen = self.cleaned_data[name]
        return chosen.read() if chosen else None
