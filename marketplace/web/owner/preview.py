"""What a buyer would get under a consent, row for row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marketplace.consents.models import Consent
from marketplace.delivery.services import Column, describe_table, preview_rows
from marketplace.web.formats import iso_text
from marketplace.web.wording import measure_label, unit_label

ROWS = 20
COLUMN_NOTES = {"time": "When it was measured, UTC", "device": "Which device, under a pseudonym"}


@dataclass(frozen=True)
class PreviewTable:
    """columns: name, what it is, unit, type; rows: values in the columns' order, the newest row first."""

    columns: list[tuple[str, str, str, str]]
    rows: list[list[Any]]


def preview_table(consent: Consent, *, at: datetime) -> PreviewTable:
    columns = describe_table(consent)
    rows = preview_rows(consent=consent, limit=ROWS, at=at)
    # The newest moment first; within a moment the devices keep their order.
    rows.sort(key=lambda row: row["time"], reverse=True)
    return PreviewTable(
        [(column.name, column_note(column), unit_text(column.unit), column.kind) for column in columns],
        [[cell(row.get(column.name)) for column in columns] for row in rows],
    )


def column_note(column: Column) -> str:
    return COLUMN_NOTES.get(column.name, "") or measure_label(column.field)


def unit_text(ucum: str) -> str:
    """°C (Cel): as people write the unit, and as the data name it."""
    sign = unit_label(ucum)
    return f"{sign} ({ucum})" if sign and sign != ucum else sign


def cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso_text(value)
    return value
