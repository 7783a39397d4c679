"""The bytes of one entry: canonical JSON with v, kind, id, at, refs and the fields of its kind. Pure."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from ledger.canonical import canonical_bytes, parse_all_canonical, parse_canonical
from ledger.errors import EntryNotCanonical

VERSION = 1
RESERVED = frozenset({"v", "kind", "id", "at", "refs"})
LONGEST_KIND = 64
MOST_REFS = 64
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_LIST_OF_REFS = rf'\[(?:"{_REF.pattern}"(?:,"{_REF.pattern}"){{0,{MOST_REFS - 1}}})?\]'
_LISTS_OF_REFS = re.compile(rf"\[{_LIST_OF_REFS}(?:,{_LIST_OF_REFS})*\]".encode())
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class EntryHead:
    """The fields that every entry has."""

    kind: str
    entry_id: UUID
    at: datetime
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EntryColumns:
    """The fields that every entry has, of many entries. ids, times: as they were written, whatever that is.

    encoded_refs: all lists of references as one JSON text.
    """

    kinds: list[str]
    ids: list[Any]
    times: list[Any]
    refs: list[list[str]]
    encoded_refs: bytes


def entry_bytes(*, kind: str, entry_id: UUID, at: datetime, refs: Sequence[str], body: Mapping[str, Any]) -> bytes:
    """Return what is hashed and kept for ever. Raises EntryNotCanonical, EntryTooLarge."""
    check_kind(kind)
    check_refs(refs)
    if at.tzinfo is None:
        raise EntryNotCanonical("The time of an entry needs its offset from UTC.")
    if taken := RESERVED.intersection(body):
        raise EntryNotCanonical(f"These field names are the log's own: {', '.join(sorted(taken))}.")
    head = {"v": VERSION, "kind": kind, "id": str(entry_id), "at": at_text(at), "refs": list(refs)}
    return canonical_bytes({**body, **head})


def read_head(encoded: bytes) -> EntryHead:
    """Return the common fields of an entry's bytes. Raises EntryNotCanonical, EntryTooLarge."""
    kind, entry_id, at, refs = _read_fields(encoded)
    return EntryHead(kind=kind, entry_id=_parse_id(entry_id), at=at, refs=refs)


def check_record(body: bytes, *, entry_id: str, kind: str) -> tuple[datetime, tuple[str, ...]]:
    """Read what waits to become an entry, and return its time and its references.

    entry_id, kind: what its columns say, the id as text. Raises an EntryError when it cannot be read, or is another.
    """
    own_kind, own_id, at, refs = _read_fields(body)
    if own_kind != kind or own_id != entry_id:
        raise EntryNotCanonical("The record is not what its columns say.")
    return at, refs


def check_records(
    bodies: Sequence[bytes], *, entry_ids: Sequence[str], kinds: Sequence[str]
) -> list[tuple[datetime, Sequence[str]]]:
    """Do what check_record does for each, several times sooner. It does not say which one it raises for."""
    columns = read_columns(bodies)
    if columns.ids != list(entry_ids) or columns.kinds != list(kinds):
        raise EntryNotCanonical("One of the records is not what its columns say.")
    return list(zip(map(_parse_at, columns.times), columns.refs, strict=True))


def read_columns(bodies: Sequence[bytes]) -> EntryColumns:
    """Read the common fields of many entries, at least one. Raises EntryError, without saying which one it is about."""
    contents = parse_all_canonical(bodies)
    try:
        kinds = [content["kind"] for content in contents]
        for kind in set(kinds):
            check_kind(kind)
        if {id(content["v"]) for content in contents} != {id(VERSION)}:
            raise EntryNotCanonical("One of the entries lacks its version.")
        refs = [content["refs"] for content in contents]
        columns = EntryColumns(
            kinds, [content["id"] for content in contents], [content["at"] for content in contents], refs,
            orjson.dumps(refs),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise EntryNotCanonical("One of the entries lacks a field that every entry has.") from error
    if not _LISTS_OF_REFS.fullmatch(columns.encoded_refs):
        raise EntryNotCanonical("The references of one of the entries are none.")
    return columns


def at_text(at: datetime) -> str:
    """RFC 3339, UTC, always with six digits of microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def time_ordered_id(at: datetime) -> UUID:
    """Return a UUID of version 7 (RFC 9562, 5.7): random, yet new ones land at the end of an index."""
    milliseconds = max(int(at.timestamp() * 1000), 0)
    return UUID(bytes=milliseconds.to_bytes(6, "big") + _with_version(os.urandom(10)))


def check_kind(kind: object) -> None:
    if not isinstance(kind, str) or len(kind) > LONGEST_KIND or not _KIND.fullmatch(kind):
        raise EntryNotCanonical("A kind is two or more lower-case words with dots between, such as consent.granted.")


def check_refs(refs: Sequence[object]) -> None:
    if isinstance(refs, str) or len(refs) > MOST_REFS:
        raise EntryNotCanonical(f"References are a list of at most {MOST_REFS} texts.")
    if not all(isinstance(ref, str) and _REF.fullmatch(ref) for ref in refs):
        raise EntryNotCanonical("A reference has 1 to 128 letters, digits, dots, colons, hyphens and underscores.")


def _with_version(random_bytes: bytes) -> bytes:
    changed = bytearray(random_bytes)
    changed[0] = 0x70 | (changed[0] & 0x0F)
    changed[2] = 0x80 | (changed[2] & 0x3F)
    return bytes(changed)


def _read_fields(encoded: bytes) -> tuple[str, object, datetime, tuple[str, ...]]:
    content = parse_canonical(encoded)
    kind, entry_id, at, refs = content.get("kind"), content.get("id"), content.get("at"), content.get("refs")
    if content.get("v") != VERSION or content["v"] is True or not isinstance(refs, list):
        raise EntryNotCanonical("The entry lacks its version or its references.")
    check_kind(kind)
    check_refs(refs)
    return str(kind), entry_id, _parse_at(at), tuple(refs)


def _parse_id(text: object) -> UUID:
    try:
        entry_id = UUID(str(text))
    except ValueError as error:
        raise EntryNotCanonical("The id of an entry is a UUID.") from error
    if str(entry_id) != text:
        raise EntryNotCanonical("The id of an entry is a UUID in lower case with hyphens.")
    return entry_id


def _parse_at(text: object) -> datetime:
    if not isinstance(text, str) or not _AT.fullmatch(text):
        raise EntryNotCanonical("The time of an entry is RFC 3339 in UTC with six digits of microseconds.")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise EntryNotCanonical("The time of an entry is no real date.") from error
