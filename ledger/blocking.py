"""Which waiting record keeps the next batch out of the log, and why. Ownstream lets none in that would."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from ledger.entries import check_record
from ledger.errors import EntryError
from ledger.models import Entry, OutboxRow

REUSED = "Its entry id stands in the log already, for a record of another kind or key."


def refusal_of(row: OutboxRow) -> str:
    """Return why the sequencer will not take a waiting record, empty when it will."""
    return _refusal_of_bytes(row) or (REUSED if _reused().filter(pk=row.pk).exists() else "")


def find_blocking_row(limit: int) -> OutboxRow | None:
    """Return the first of the next batch that will not be taken. limit: how many a batch has at most."""
    rows = OutboxRow.objects.order_by("id")[:limit]
    found = [row for row in (next(filter(_refusal_of_bytes, rows), None), _reused().order_by("id").first()) if row]
    return min(found, key=lambda row: row.pk, default=None)


def _refusal_of_bytes(row: OutboxRow) -> str:
    try:
        check_record(bytes(row.body), entry_id=str(row.entry_id), kind=row.kind)
    except EntryError as error:
        return str(error)
    return ""


def _reused() -> QuerySet[OutboxRow]:
    """A record that was committed before, with its kind and key, is only dropped."""
    own = Entry.objects.filter(kind=OuterRef("kind"), key=OuterRef("key"))
    return OutboxRow.objects.filter(Exists(Entry.objects.filter(entry_id=OuterRef("entry_id"))), ~Exists(own))
