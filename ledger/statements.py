"""The SQL of the sequencer and of proofs: whole batches in one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from django.db import connection

from ledger.errors import TileMissing
from ledger.models import Checkpoint, LogHead
from ledger.tiles import HASH_SIZE, TileId, tile_path

EntryRow = tuple[UUID, str, UUID, datetime, Sequence[str], bytes, bytes]

# The oldest that is there, never "newer than the last": ids become visible in another order than they were given.
# LATERAL with LIMIT keeps this an index probe for each row, however large the log is.
_SELECT_WAITING = """
    SELECT waiting.id, waiting.entry_id, waiting.kind, waiting.key, waiting.body, known.index IS NOT NULL
    FROM ledger_outboxrow waiting
    LEFT JOIN LATERAL (
        SELECT index FROM ledger_entry WHERE kind = waiting.kind AND key = waiting.key LIMIT 1
    ) known ON TRUE
    ORDER BY waiting.id LIMIT %s
"""
_INSERT_ENTRIES = """
    INSERT INTO ledger_entry (index, entry_id, kind, key, at, refs, body, leaf_hash, committed_at)
    SELECT %b + position - 1, entry_id, kind, key, at, refs::text[], body, leaf_hash, %b
    FROM unnest(%b::uuid[], %b::text[], %b::uuid[], %b::timestamptz[], %b::text[], %b::bytea[], %b::bytea[])
        WITH ORDINALITY AS added (entry_id, kind, key, at, refs, body, leaf_hash, position)
"""
_INSERT_TILES = """
    INSERT INTO ledger_tile (level, number, width, hashes)
    SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::smallint[], %b::bytea[])
"""
# A partial tile is the beginning of every wider one, so the narrowest that is wide enough serves.
_SELECT_TILES = """
    SELECT wanted.level, wanted.number, wanted.width, stored.hashes
    FROM unnest(%s::smallint[], %s::bigint[], %s::smallint[]) AS wanted (level, number, width)
    CROSS JOIN LATERAL (
        SELECT hashes FROM ledger_tile
        WHERE level = wanted.level AND number = wanted.number AND width >= wanted.width
        ORDER BY width LIMIT 1
    ) stored
"""


def select_waiting(limit: int) -> list[tuple[Any, ...]]:
    """Return (id, entry_id, kind, key, body, is_repeat) of the oldest waiting rows."""
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_WAITING, [limit])
        return [(*row[:4], bytes(row[4]), row[5]) for row in cursor.fetchall()]


def delete_waiting(row_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_outboxrow WHERE id = ANY(%s)", [list(row_ids)])


def insert_entries(*, first_index: int, committed_at: datetime, rows: Sequence[EntryRow]) -> None:
    """rows: (entry_id, kind, key, at, refs, body, leaf_hash), in log order from first_index on."""
    entry_ids, kinds, keys, times, refs, bodies, leaves = (list(column) for column in zip(*rows, strict=True))
    # unnest() would flatten a list of lists. References hold no character that an array literal must escape.
    literals = ["{" + ",".join(f'"{ref}"' for ref in row_refs) + "}" for row_refs in refs]
    _execute_binary(
        _INSERT_ENTRIES, [first_index, committed_at, entry_ids, kinds, keys, times, literals, bodies, leaves]
    )


def insert_tiles(tiles: Sequence[tuple[TileId, bytes]]) -> None:
    _execute_binary(_INSERT_TILES, [*_columns(tile for tile, _ in tiles), [hashes for _, hashes in tiles]])


def select_tiles(wanted: Sequence[TileId]) -> dict[TileId, bytes]:
    """Return the hashes of each tile, in one query. Raises TileMissing."""
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_SELECT_TILES, _columns(wanted))
        found = {
            TileId(level, number, width): bytes(hashes)[: width * HASH_SIZE]
            for level, number, width, hashes in cursor.fetchall()
        }
    for tile in wanted:
        if tile not in found:
            raise TileMissing(f"The tile {tile_path(tile)} is missing.")
    return found


def insert_checkpoint(head: LogHead, signed_at: datetime) -> None:
    Checkpoint.objects.create(size=head.size, root_hash=head.root_hash, note=head.note, signed_at=signed_at)


def _execute_binary(sql: LiteralString, values: Sequence[object]) -> None:
    """Bind on the server, in binary: Django's own cursor would write every array out as text first."""
    connection.ensure_connection()
    with psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, values)


def _columns(tiles: Iterable[TileId]) -> list[list[int]]:
    return [list(column) for column in zip(*tiles, strict=True)]
