"""Whether stored entries are what their bytes say: quickly for many at a time, slowly to name what is wrong."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from ledger.audit_rows import Link, RawEntry, Row, read_entries
from ledger.canonical import joined_as_list
from ledger.collection import collection_paused
from ledger.entries import at_text, read_columns, read_head
from ledger.errors import EntryError
from ledger.tiles import FULL_WIDTH, HASH_SIZE

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_NO_HASH = bytes(HASH_SIZE)
_ID_LENGTH = 36
KEY_ROTATED = "key.rotated"


@dataclass(frozen=True, slots=True)
class Examined:
    """What a range of entries is: as little as the walk needs, for it may come from another process.

    leaves: a recomputed hash for each index of the range, zeros for a missing entry, so that all after it is compared.
    indexes, times: of the stored entries; committed_at as in RawEntry. rotations: the bodies of rotations of the key.
    """

    leaves: bytes
    indexes: Sequence[int]
    times: Sequence[int]
    findings: list[tuple[int, str]]
    rotations: list[tuple[int, bytes]]


def examine(raw: Link, start: int, end: int) -> Examined:
    """Read the entries from start on, below end, and check all columns of each against its bytes."""
    with collection_paused():
        rows = read_entries(raw, start, end)
        leaves = [sha256(b"\x00" + row[5]).digest() for row in rows]
        indexes: Sequence[int] = range(start, end)
        findings: list[tuple[int, str]] = []
        if len(rows) < end - start:
            known = {row[0]: leaf for row, leaf in zip(rows, leaves, strict=True)}
            findings += [(index, "It is missing.") for index in indexes if index not in known]
            stored, indexes = [known.get(index, _NO_HASH) for index in indexes], list(known)
        else:
            stored = leaves
        for low in range(0, len(rows), FULL_WIDTH):
            findings += find_faults(rows[low : low + FULL_WIDTH], leaves[low : low + FULL_WIDTH])
        times = array("q", [row[7] for row in rows])
        rotations = [(row[0], row[5]) for row in rows if row[2] == KEY_ROTATED]
        return Examined(b"".join(stored), indexes, times, findings, rotations)


def find_faults(rows: list[Row], leaves: list[bytes]) -> list[tuple[int, str]]:
    """Return the index of each entry that is not what its bytes say, and what is wrong. leaves: recomputed."""
    try:
        if _are_sound(rows, leaves):
            return []
    except (ValueError, KeyError, TypeError, EntryError):
        pass
    return [
        (row[0], sentence) for row, leaf in zip(rows, leaves, strict=True) for sentence in _faults(RawEntry(*row), leaf)
    ]


def _are_sound(rows: list[Row], leaves: list[bytes]) -> bool:
    """The same as _faults says, for all rows at once and without a reason. Raises EntryError, TypeError."""
    _, entry_ids, kinds, times, refs, bodies, stored, _ = zip(*rows, strict=True)
    if list(stored) != leaves:
        return False
    said, clock = read_columns(bodies), _Clock()
    return (
        said.kinds == list(kinds)
        and said.times == [clock.text(at) for at in times]
        and said.encoded_refs == joined_as_list(refs)
        and _are_ids(said.ids, b"".join(entry_ids))
    )


def _are_ids(texts: list[str], entry_ids: bytes) -> bool:
    """Whether each text is a UUID as it is written, and all are the stored ones."""
    joined, dashes = "".join(texts), "-" * len(texts)
    return (
        set(map(len, texts)) == {_ID_LENGTH}
        and all(joined[place::_ID_LENGTH] == dashes for place in (8, 13, 18, 23))
        and joined.replace("-", "") == entry_ids.hex()
    )


class _Clock:
    """Many entries carry the same second."""

    def __init__(self) -> None:
        self.seconds: dict[int, str] = {}

    def text(self, microseconds: int) -> str:
        second, rest = divmod(microseconds, _SECOND)
        begin = self.seconds.get(second)
        if begin is None:
            begin = self.seconds[second] = at_text(_EPOCH + timedelta(seconds=second))[:20]
        return f"{begin}{rest:06}Z"


def _faults(row: RawEntry, leaf: bytes) -> Iterator[str]:
    if leaf != row.leaf_hash:
        yield "The stored leaf hash is not the hash of its bytes."
    try:
        content = read_head(row.body)
    except EntryError as error:
        yield f"Its bytes are not a canonical entry: {error}"
        if name := _repeated_name(row.body):
            yield f'The name "{name}" stands in it twice: two readers could see two records.'
        return
    columns = {
        "id": (UUID(bytes=row.entry_id), content.entry_id),
        "kind": (row.kind, content.kind),
        "time": (_time(row.at), content.at),
        "references": (row.refs, orjson.dumps(content.refs)),
    }
    wrong = [name for name, (stored, said) in columns.items() if stored != said]
    if wrong:
        yield f"Its searchable columns do not repeat what its bytes say: {', '.join(wrong)}."


def _time(microseconds: int) -> datetime | None:
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def _repeated_name(body: bytes) -> str:
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in names if names.count(name) > 1)

    try:
        json.loads(body, object_pairs_hook=look)
    except (ValueError, RecursionError):
        return ""
    return repeated[0][:64] if repeated else ""
