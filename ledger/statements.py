"""The SQL of the sequencer and of proofs: whole batches in one statement each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import connection

from ledger.copying import COLUMNS
from ledger.errors import TileMissing
from ledger.models import LogHead
from ledger.tiles import HASH_SIZE, TileId, edge_tiles, tile_path
from ledger.wire import begin_with, copy_while_making

# A batch that is appended must not see the freeze of the moment before it got the head's lock, so these are two
# statements. They travel together, and so does the BEGIN before them.
_LOCK_HEAD = "SELECT size, root_hash, note FROM ledger_loghead WHERE id = 1 FOR UPDATE"
_IS_FROZEN = "SELECT EXISTS (SELECT FROM ledger_logfreeze WHERE lifted_at IS NULL)"
_READ_EDGE = """
    SELECT ARRAY(
        SELECT (
            SELECT hashes FROM ledger_tile
            WHERE level = edge.level AND number = size >> 8 * edge.level + 8 AND width >= size >> 8 * edge.level & 255
            ORDER BY width LIMIT 1
        )
        FROM ledger_loghead CROSS JOIN generate_series(0, 6) AS edge (level)
        WHERE size >> 8 * edge.level & 255 > 0 ORDER BY edge.level
    )
"""
# The oldest that is there, never "newer than the last": ids become visible in another order than they were given.
_SELECT_WAITING = """
    SELECT id, entry_id::text, kind, uuid_send(key), body, FALSE FROM ledger_outboxrow ORDER BY id LIMIT %b
"""
# LATERAL with LIMIT keeps this an index probe for each row, however large the log is.
_SELECT_WAITING_AND_REPEATS = """
    SELECT waiting.id, waiting.entry_id::text, waiting.kind, uuid_send(waiting.key), waiting.body,
        known.index IS NOT NULL
    FROM ledger_outboxrow waiting
    LEFT JOIN LATERAL (
        SELECT index FROM ledger_entry WHERE kind = waiting.kind AND key = waiting.key LIMIT 1
    ) known ON TRUE
    ORDER BY waiting.id LIMIT %b
"""
_COPY_ENTRIES = f"COPY ledger_entry ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
_MOVE_HEAD = """
    WITH tiles AS (
        INSERT INTO ledger_tile (level, number, width, hashes)
        SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::smallint[], %b::bytea[])
    ), checkpoint AS (
        INSERT INTO ledger_checkpoint (size, root_hash, note, signed_at) VALUES (%b, %b, %b, %b)
        RETURNING size, root_hash, note, signed_at
    ), taken AS (
        DELETE FROM ledger_outboxrow WHERE id = ANY(%b)
    )
    UPDATE ledger_loghead SET (size, root_hash, note, updated_at) = (SELECT * FROM checkpoint) WHERE id = 1
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


def lock_head() -> tuple[LogHead, bool]:
    """Begin the transaction with the head's lock; return the head, and whether the log is frozen."""
    with connection.wrap_database_errors:
        (size, root_hash, note), (is_frozen,) = begin_with(_raw_connection(), _LOCK_HEAD, _IS_FROZEN)
    head = LogHead(id=1, size=int.from_bytes(size or b""), root_hash=root_hash, note=(note or b"").decode())
    return head, is_frozen == b"\x01"


def edge_hashes(size: int) -> dict[int, bytes]:
    """Return the stored hashes of the partial tiles of a log of this size, by level, level 0 first. Raises TileMissing.

    A wider tile begins with them, and serves as well.
    """
    with connection.wrap_database_errors, _cursor() as cursor:
        (stored,) = _only_row(cursor.execute(_READ_EDGE, prepare=True, binary=True))
    found = {}
    for tile, hashes in zip(edge_tiles(size), stored, strict=True):
        if hashes is None:
            raise _missing(tile)
        found[tile.level] = hashes[: tile.width * HASH_SIZE]
    return found


def select_waiting(limit: int, *, finds_repeats: bool) -> list[tuple[Any, ...]]:
    """Return (id, entry_id, kind, key, body, is_repeat) of the oldest waiting rows; is_repeat only when asked for.

    entry_id comes as text, key as bytes.
    """
    sql = _SELECT_WAITING_AND_REPEATS if finds_repeats else _SELECT_WAITING
    with connection.wrap_database_errors, _cursor() as cursor:
        return cursor.execute(sql, [limit], prepare=True, binary=True).fetchall()


def delete_waiting(row_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_outboxrow WHERE id = ANY(%s)", [list(row_ids)])


def copy_entries(pieces: Iterable[bytes]) -> None:
    """pieces: see ledger.copying."""
    with connection.wrap_database_errors:
        copy_while_making(_raw_connection(), _COPY_ENTRIES, pieces)


def move_head(head: LogHead, *, tiles: Sequence[tuple[TileId, bytes]] = (), taken: Sequence[int] = ()) -> None:
    """Store a signed head, its checkpoint and its tiles, and take the rows out of the outbox that it covers."""
    columns = _columns(tile for tile, _ in tiles) or [[], [], []]
    checkpoint = [head.size, head.root_hash, head.note, head.updated_at]
    with connection.wrap_database_errors, _cursor() as cursor:
        values = [*columns, [hashes for _, hashes in tiles], *checkpoint, list(taken)]
        cursor.execute(_MOVE_HEAD, values, prepare=True)


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
            raise _missing(tile)
    return found


def _raw_connection() -> psycopg.Connection[Any]:
    """The sequencer's statements are few and the same each time, so the server keeps their plans."""
    connection.ensure_connection()
    raw: psycopg.Connection[Any] = connection.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 5
    return raw


def _cursor() -> psycopg.Cursor[Any]:
    """Bind on the server, in binary: Django's own cursor would write every value out as text first."""
    return psycopg.Cursor(_raw_connection())


def _only_row(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    (row,) = cursor.fetchall()
    return row


def _missing(tile: TileId) -> TileMissing:
    return TileMissing(f"The tile {tile_path(tile)} is missing.")


def _columns(tiles: Iterable[TileId]) -> list[list[int]]:
    return [list(column) for column in zip(*tiles, strict=True)]
