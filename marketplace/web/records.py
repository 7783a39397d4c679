"""From the entry ids that business rows keep to seals that pages show."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.urls import reverse

from ledger.models import Entry
from ledger.services import final_size
from marketplace.web.seals import Seal

WAITING = Seal("waiting")


def seals_of(entry_ids: Iterable[UUID | None]) -> dict[UUID | None, Seal]:
    """Return the seal of each entry id, with two queries."""
    wanted = [entry_id for entry_id in entry_ids if entry_id is not None]
    indexes = Entry.objects.for_ids(wanted) if wanted else {}
    final = final_size() if indexes else 0
    recorded = {entry_id: recorded_seal(index, is_final=index < final) for entry_id, index in indexes.items()}
    return {entry_id: recorded.get(entry_id, WAITING) for entry_id in wanted}


def recorded_seal(index: int, *, is_final: bool) -> Seal:
    return Seal("final" if is_final else "signed", index, reverse("log_entry", args=[index]))


def seal_of(entry_id: UUID | None) -> Seal | None:
    return seals_of([entry_id])[entry_id] if entry_id else None


def newest_first(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort events that were collected in the order in which they happened; of one moment, the later comes first."""
    return sorted(events, key=lambda row: row["at"])[::-1]


def event(title: str, at: object, *, note: str = "", seal: Seal | None = None) -> dict[str, Any]:
    """One row of the Timeline component."""
    row: dict[str, Any] = {"title": title, "at": at, "note": note}
    if seal is not None:
        row |= {"seal_state": seal.state, "entry_number": seal.number, "seal_address": seal.address}
    return row
