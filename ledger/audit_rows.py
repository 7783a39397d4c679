"""What an audit reads: whole ranges of rows, in binary, with as little converted as the comparison needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import ByteaBinaryLoader

from ledger.tiles import TileId

# refs as the JSON text that the entry's bytes hold, if they are the same.
_ENTRIES = """
    SELECT index, entry_id, kind, at, array_to_json(refs), body, leaf_hash, committed_at
    FROM ledger_entry WHERE index >= %s AND index < %s ORDER BY index
"""
_TILES = """
    SELECT number, width, hashes FROM ledger_tile
    WHERE level = %s AND number >= %s AND number < %s ORDER BY number, width
"""
_SIGNED = """
    SELECT size, signed_at FROM ledger_checkpoint
    WHERE size > %s AND size <= (SELECT min(size) FROM ledger_checkpoint WHERE size >= %s)
    ORDER BY size
"""


Link = psycopg.Connection[Any]
Row = tuple[Any, ...]


class RawEntry(NamedTuple):
    """number: the index; times: microseconds since the year 2000, as PostgreSQL counts them."""

    number: int
    entry_id: bytes
    kind: str
    at: int
    refs: bytes
    body: bytes
    leaf_hash: bytes
    committed_at: int


def read_entries(raw: Link, low: int, high: int) -> list[Row]:
    """Return the columns of RawEntry for each stored entry from low on, below high, in log order."""
    return _fetch(raw, _ENTRIES, [low, high])


def read_tiles(raw: Link, level: int, first: int, end: int) -> list[tuple[TileId, bytes]]:
    found = _fetch(raw, _TILES, [level, first, end])
    return [(TileId(level, number, width), hashes) for number, width, hashes in found]


class SignedState(NamedTuple):
    """signed_at: as the times of RawEntry."""

    size: int
    signed_at: int


def read_checkpoints(raw: Link, low: int, high: int) -> list[SignedState]:
    """Return the checkpoints that first cover an entry from low on, below high."""
    return [SignedState(*row) for row in _fetch(raw, _SIGNED, [low, high])]


def _fetch(raw: Link, sql: LiteralString, values: Sequence[object]) -> list[Row]:
    with psycopg.Cursor(raw) as cursor:
        # Building a UUID, a datetime and a list of each row would cost more than all the hashing.
        for name in ("uuid", "json"):
            cursor.adapters.register_loader(name, ByteaBinaryLoader)
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        return cursor.execute(sql, values, binary=True).fetchall()
