"""Keyset pages: a page starts below the last row of the one before, so page 1,000 costs what page 1 costs."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Q

Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """next_mark: where the next page starts; empty on the last page."""

    rows: Sequence[Row]
    next_mark: str


def encode_mark(at: datetime, public_id: UUID) -> str:
    text = f"{at.astimezone(UTC).isoformat()}|{public_id.hex}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_mark(mark: str) -> tuple[datetime, UUID] | None:
    """Unpack a place; None for one that was not made here."""
    try:
        text = base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)).decode()
        at_text, id_text = text.split("|")
        at = datetime.fromisoformat(at_text)
        return (at.astimezone(UTC), UUID(id_text)) if at.tzinfo else None
    except (binascii.Error, ValueError, OverflowError):
        return None


def page_by_time(rows: models.QuerySet[Row, Any], *, column: str, mark: str, size: int) -> Page[Row]:
    """Return up to size rows, newest first by column, below the mark. The rows need a public_id."""
    place = decode_mark(mark) if mark else None
    if place is not None:
        at, public_id = place
        rows = rows.filter(Q(**{f"{column}__lt": at}) | Q(**{column: at, "public_id__lt": public_id}))
    found = list(rows.order_by(f"-{column}", "-public_id")[: size + 1])
    shown = found[:size]
    if len(found) <= size:
        return Page(shown, "")
    last: Any = shown[-1]
    return Page(shown, encode_mark(getattr(last, column), last.public_id))
