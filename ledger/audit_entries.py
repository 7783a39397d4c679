"""Whether stored entries are what their bytes say: quickly for many at a time, slowly to name what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from ledger.audit_rows import RawEntry
from ledger.canonical import LARGEST_ENTRY, check_value
from ledger.entries import VERSION, at_text, check_kind, read_head
from ledger.errors import EntryError

AddFinding = Callable[[int, str], None]
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_REF = rb'"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"'
_REFS = rb"\[(?:%b(?:,%b){0,63})?\]" % (_REF, _REF)
_ALL_REFS = re.compile(rb"%b(?:,%b)*" % (_REFS, _REFS))
_SECOND = 1_000_000


def leaf_hashes(bodies: list[bytes]) -> list[bytes]:
    return [sha256(b"\x00" + body).digest() for body in bodies]


def check_entries(rows: list[tuple[Any, ...]], leaves: list[bytes], add: AddFinding) -> None:
    """Check all columns of these rows against their bytes.

    leaves: their recomputed hashes. add: is told the index and what is wrong.
    """
    try:
        if _are_sound(rows, leaves):
            return
    except (ValueError, KeyError, TypeError, EntryError):
        pass
    for row, leaf in zip(rows, leaves, strict=True):
        for sentence in _faults(RawEntry(*row), leaf):
            add(row[0], sentence)


def _are_sound(rows: list[tuple[Any, ...]], leaves: list[bytes]) -> bool:
    """The same as _faults says, for all rows at once and without a reason."""
    _, entry_ids, kinds, times, refs, bodies, stored, _ = zip(*rows, strict=True)
    loads, dumps, sort = orjson.loads, orjson.dumps, orjson.OPT_SORT_KEYS
    contents = [loads(body) for body in bodies]
    if list(stored) != leaves or max(map(len, bodies)) > LARGEST_ENTRY:
        return False
    if [dumps(content, None, sort) for content in contents] != list(bodies):
        return False
    if not all(map(bytes.isascii, bodies)) and not all(_has_ascii_names(content) for content in contents):
        return False
    for kind in set(kinds):
        check_kind(kind.decode())
    if not _ALL_REFS.fullmatch(b",".join(refs)):
        return False
    clock = _Clock()
    names = {kind: kind.decode() for kind in set(kinds)}
    for content, entry_id, kind, at, ref in zip(contents, entry_ids, kinds, times, refs, strict=True):
        digits = entry_id.hex()
        if (
            content["id"] != f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
            or content["kind"] != names[kind]
            or content["at"] != clock.text(at)
            or content["v"] is not VERSION
            or dumps(content["refs"]) != ref
        ):
            return False
        # Text needs no look: nearly everything is.
        for item in [item for item in content.values() if type(item) is not str]:
            if item is not None and item is not content["refs"] and item is not VERSION:
                check_value(item, 2)
    return True


def _has_ascii_names(content: dict[str, Any]) -> bool:
    check_value(content, 1)
    return True


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
        "kind": (row.kind.decode(errors="replace"), content.kind),
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
