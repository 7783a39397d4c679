"""Business rows against their entries. Features say where their rows name the entry; the log knows no more of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

from ledger.kinds import kinds_in
from ledger.models import Entry

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Rows that were recorded: column holds the id of the entry, null while there is none."""

    kind: str
    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Difference:
    """rows: ids of entries that rows name and the log lacks. entries: indices that no row names."""

    kind: str
    row_count: int
    rows: list[str]
    entry_count: int
    entries: list[int]


_SOURCES: dict[str, RecordSource] = {}
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


def register_source(*, kind: str, table: str, column: str) -> None:
    """Called once for each kind while the applications load."""
    _SOURCES[kind] = RecordSource(kind, table, column)


def reconcile() -> list[Difference]:
    """Return each registered kind with the rows that have no entry and the entries that have no row."""
    return [_compare(_SOURCES[kind]) for kind in sorted(_SOURCES)]


def kinds_without_source() -> list[str]:
    return [kind for kind in kinds_in(Entry._meta.db_table) if kind not in _SOURCES]


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
