from datetime import UTC, datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.utils import timezone

from ledger.disclosures import LARGEST_DISCLOSURE, LARGEST_ENTRY
from ledger.models import Entry
from ledger.policy import LARGEST_POLICY
from ledger.receipts import LARGEST_RECEIPT

LARGEST_INDEX = 2**63 - 1
# All fields of one request together. Below what Django keeps in memory, so nothing that is sent touches a disk.
LARGEST_UPLOAD = 2 * 1024 * 1024


class UtcField(forms.DateTimeField):
    """A time that is UTC whatever the reader's own zone is, as everything on the log's pages."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
    default_error_messages: ClassVar[Any] = {"invalid": "Give a date and a time, such as 2026-05-31T12:00."}

    def to_python(self, value: Any) -> datetime | None:
        with timezone.override(UTC):
            return super().to_python(value)


class EntryFilterForm(forms.Form):
    """What the explorer's address may narrow: kind, time, and where the page starts. entry: go there at once."""

    kind = forms.ChoiceField(label="Kind", required=False)
    since = UtcField(label="From (UTC)", required=False)
    until = UtcField(label="Until (UTC)", required=False)
    entry = forms.IntegerField(
        label="Entry number",
        required=False,
        min_value=0,
        max_value=LARGEST_INDEX,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"invalid": "An entry has a whole number, from 0 on."},
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
        """Newest first, below the entry where the page starts. From is included, until is not."""
        lookups = {"kind": "kind", "since": "at__gte", "until": "at__lt"}
        entries = entries.filter(**{lookups[name]: self.chosen[name] for name in lookups if self.chosen.get(name)})
        before = self.chosen.get("before")
        if not self.chosen.get("since") and not self.chosen.get("until"):
            entries = entries if before is None else entries.filter(index__lt=before)
            return entries.order_by("-index")
        # By time, which has an index too: by number, an old hour would be looked for from the newest entry down.
        if before is not None:
            at = Entry.objects.filter(index=before).values_list("at", flat=True).first()
            entries = entries.filter(at__lte=at).exclude(at=at, index__gte=before) if at else entries.none()
        return entries.order_by("-at", "-index")


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
        help_text="A file that ends in .tlog-proof.",
        widget=forms.FileInput(attrs={"accept": ".tlog-proof,text/plain", "data-drop": ""}),
    )
    receipt_text = forms.CharField(
        label="Or paste its text",
        required=False,
        max_length=LARGEST_RECEIPT,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    entry = BoundedFile(
        label="The entry's bytes",
        most=LARGEST_ENTRY,
        required=False,
        help_text="Needed only for a receipt that does not carry them. Ours do.",
    )
    disclosure = BoundedFile(
        label="A disclosure",
        most=LARGEST_DISCLOSURE,
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
        if chosen:
            return chosen.read()
        # A browser sends each line of a text area with CR and LF, and who copies text often loses its last line end.
        pasted = self.cleaned_data["receipt_text"].replace("\r\n", "\n").strip()
        return f"{pasted}\n".encode()

    @property
    def policy_bytes(self) -> bytes:
        return self.cleaned_data["policy"].replace("\r\n", "\n").encode()

    def bytes_of(self, name: str) -> bytes | None:
        chosen = self.cleaned_data[name]
        return chosen.read() if chosen else None
