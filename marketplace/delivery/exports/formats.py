"""The forms in which a table can be downloaded. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Format(enum.StrEnum):
    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"
    SENML = "senml"
    ARROW = "arrow"


@dataclass(frozen=True)
class Form:
    label: str
    media_type: str
    suffix: str


FORMS = {
    Format.PARQUET: Form("Parquet", "application/vnd.apache.parquet", "parquet"),
    Format.CSV: Form("CSV", "text/csv; charset=utf-8; header=present", "csv"),
    Format.NDJSON: Form("NDJSON: one JSON object a line", "application/x-ndjson", "ndjson"),
    Format.SENML: Form("SenML JSON (RFC 8428)", "application/senml+json", "senml.json"),
    Format.ARROW: Form("Arrow IPC stream", "application/vnd.apache.arrow.stream", "arrows"),
}
# As an Accept header names them: without parameters.
MEDIA_TYPES = {form.media_type.partition(";")[0]: one for one, form in FORMS.items()}
