from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from devices.evidence import SUFFIX
from devices.tables import TableMalformed, instant_micros
from ledger.policy import LARGEST_POLICY
from marketplace.web.forms.log import BoundedFile

# All of one request together. The check runs while the sender waits, and keeps all rows in memory.
LARGEST_UPLOAD = 4 * 1024 * 1024


class OriginForm(forms.Form):
    """A download and its evidence, and whose signatures count."""

    download = BoundedFile(
        label="The download",
        most=LARGEST_UPLOAD,
        help_text="CSV, NDJSON or SenML JSON, as it came from here.",
        widget=forms.FileInput(
            attrs={"accept": ".csv,.ndjson,.jsonl,.json,text/csv,application/json", "data-drop": ""}
        ),
        error_messages={"required": "Choose the table that you downloaded.", "empty": "This file is empty."},
    )
    evidence = BoundedFile(
        label="Its evidence",
        most=LARGEST_UPLOAD,
        help_text="A file that ends in .evidence.jsonl, from the page of the purchase.",
        widget=forms.FileInput(attrs={"accept": ".jsonl", "data-drop": ""}),
        error_messages={"required": "Choose the evidence of the download.", "empty": "This file is empty."},
    )
    received_until = forms.CharField(
        label="Leave out what came later than",
        required=False,
        max_length=40,
        help_text="For an older download: when it was made, such as 2026-03-01T12:00:00Z (UTC).",
        widget=forms.TextInput(attrs={"class": "mono", "autocomplete": "off", "spellcheck": "false"}),
    )
    policy = forms.CharField(
        label="A policy of your own",
        required=False,
        max_length=LARGEST_POLICY,
        strip=False,
        help_text="Whose signatures you trust (C2SP tlog-policy). Left empty, this log's own is used.",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )

    def clean_received_until(self) -> int | None:
        text = self.cleaned_data["received_until"].strip()
        try:
            return instant_micros(text) if text else None
        except TableMalformed as error:
            raise forms.ValidationError("Give a time such as 2026-03-01T12:00:00Z.", code="invalid") from error

    def clean_evidence(self) -> UploadedFile:
        evidence: UploadedFile = self.cleaned_data["evidence"]
        download = self.cleaned_data.get("download")
        if download and str(download.name).endswith(SUFFIX) and not str(evidence.name).endswith(SUFFIX):
            raise forms.ValidationError("The two files are in each other's place. Choose them the other way round.")
        return evidence

    @property
    def policy_text(self) -> str:
        chosen: Any = self.cleaned_data["policy"]
        return chosen.replace("\r\n", "\n")
