"""Business rows against their entries. Features say where their rows name the entry; the log knows no more of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from ledger.kinds import kinds_in
from ledger.models import Entry
from ledger.subject_rows import SubjectSource, compare_subjects

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Rows that were recorded: column holds the id of the entry, null while there is none."""

    kind: str
    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Difference:
    """rows: of those that have no entry, its id or the row's own. entries: indices of those that no row stands behind.

    erased_count: entries whose row went with an erased account, and which are no difference.
    """

    kind: str
    row_count: int
    rows: list[str]
    entry_count: int
    entries: list[int]
    erased_count: int = 0


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """leaver_count: how many people those entries are about. erasure_count: how many erasures the log tells of."""

    differences: list[Difference]
    leaver_count: int
    erasure_count: int

    @property
    def is_explained(self) -> bool:
        """Who deletes rows and keys by hand leaves more people without a key than erasures were recorded."""
        return self.leaver_count <= self.erasure_count


_SOURCES: dict[str, RecordSource | SubjectSource] = {}
# What still waits is on its way. One statement, one snapshot: a record is never between the two tables.
_ROWS = """
    SELECT {column}, count(*) OVER () FROM {table} AS named
    WHERE {column} IS NOT NULL
        AND NOT EXISTS (SELECT FROM ledger_entry WHERE entry_id = named.{column} AND kind = %s)
        AND NOT EXISTS (SELECT FROM ledger_outboxrow WHERE entry_id = named.{column} AND kind = %s)
    LIMIT %s
"""
_ENTRIES = """
    SELECT index, count(*) OVER () FROM ledger_entry
    WHERE kind = %s AND NOT EXISTS (SELECT FROM {table} AS named WHERE named.{column} = ledger_entry.entry_id)
    ORDER BY index LIMIT %s
"""
_ERASURES = """
    SELECT (SELECT count(*) FROM ledger_entry WHERE kind = %s) + (SELECT count(*) FROM ledger_outboxrow WHERE kind = %s)
"""
ERASURE = "erasure.done"


def register_source(*, kind: str, table: str, column: str) -> None:
    """Called once for each kind while the applications load."""
    _SOURCES[kind] = RecordSource(kind, table, column)


def register_subjects(*, kind: str, table: str, column: str, since: str, subject: str, person: str) -> None:
    """The same for rows that name no entry because the entry names them, by their handle as its only reference.

    column: the public id under the handle. since: a column that is null while nothing was recorded. subject: what
    handles of these rows are of. person: the field of the entry that holds the handle of whose they are; where both
    have no key any more, the row went with an erased account.
    """
    _SOURCES[kind] = SubjectSource(kind, table, column, since, subject, person)


def reconcile() -> Reconciliation:
    """Compare each registered kind: the rows that have no entry, and the entries that have no row."""
    differences, leavers = [], set[str]()
    for kind in kinds_with_source():
        source = _SOURCES[kind]
        if isinstance(source, RecordSource):
            differences.append(_compare(source))
            continue
        found = compare_subjects(source)
        leavers |= found.leavers
        rows, entries = found.rows[:MOST_SHOWN], found.entries[:MOST_SHOWN]
        differences.append(Difference(kind, len(found.rows), rows, len(found.entries), entries, found.erased_count))
    with connection.cursor() as cursor:
        cursor.execute(_ERASURES, [ERASURE, ERASURE])
        ((erasures,),) = cursor.fetchall()
    return Reconciliation(differences, len(leavers), erasures)


def kinds_with_source() -> list[str]:
    return sorted(_SOURCES)


def kinds_without_source() -> list[str]:
    """Return the kinds that no row stands behind. What tells of erasures is held against what they took away."""
    return [kind for kind in kinds_in(Entry._meta.db_table) if kind not in _SOURCES and kind != ERASURE]


def _compare(source: RecordSource) -> Difference:
    names = {name: connection.ops.quote_name(getattr(source, name)) for name in ("table", "column")}
    with connection.cursor() as cursor:
        cursor.execute(_ROWS.format(**names), [source.kind, source.kind, MOST_SHOWN])
        rows = cursor.fetchall()
        cursor.execute(_ENTRIES.format(**names), [source.kind, MOST_SHOWN])
        entries = cursor.fetchall()
    return Difference(
        kind=source.kind,
        row_count=rows[0][1] if rows else 0,
        rows=[str(entry_id) for entry_id, _ in rows],
        entry_count=entries[0][1] if entries else 0,
        entries=[index for index, _ in entries],
    )
