"""Canonical JSON (RFC 8785) of the small subset that entries use. Pure.

Floats, integers beyond 2^53-1 and non-ASCII keys are refused; what is left orjson writes with sorted keys exactly as
RFC 8785 demands, many times faster than a general implementation.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from ledger.errors import EntryNotCanonical, EntryTooLarge

LARGEST_ENTRY = 8192
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32


def canonical_bytes(value: Mapping[str, Any]) -> bytes:
    """Return the one encoding of an object. Raises EntryNotCanonical, EntryTooLarge."""
    check_value(value, 1)
    try:
        encoded = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise EntryNotCanonical(f"This cannot be written as canonical JSON: {error}.") from error
    if len(encoded) > LARGEST_ENTRY:
        raise EntryTooLarge
    return encoded


def parse_canonical(encoded: bytes) -> dict[str, Any]:
    """Return the object that these bytes encode. Raises when another encoding of it would be the canonical one."""
    if len(encoded) > LARGEST_ENTRY:
        raise EntryTooLarge
    try:
        value = orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise EntryNotCanonical(f"This is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise EntryNotCanonical("An entry is a JSON object.")
    if canonical_bytes(value) != encoded:
        raise EntryNotCanonical("The bytes are not the canonical encoding of their content.")
    return value


def parse_all_canonical(encoded: Sequence[bytes]) -> list[dict[str, Any]]:
    """Do what parse_canonical does for each, several times sooner. It does not say which one it raises for.

    Each is read by itself and is an object, so where it ends is certain, and all can be written out in one go: when
    that gives the same bytes, it gives the same bytes of each.
    """
    if max(map(len, encoded), default=0) > LARGEST_ENTRY:
        raise EntryTooLarge
    loads = orjson.loads
    try:
        values: list[dict[str, Any]] = [loads(each) for each in encoded]
        is_same = orjson.dumps(values, option=orjson.OPT_SORT_KEYS) == joined_as_list(encoded)
    except (orjson.JSONDecodeError, TypeError) as error:
        raise EntryNotCanonical(f"One of these is not JSON: {error}.") from error
    if not is_same or not {*map(type, values)} <= {dict}:
        raise EntryNotCanonical("The bytes of one of these are not the canonical encoding of an object.")
    for value in values:
        _check_fields(value)
    # Canonical bytes hold a name that is no ASCII text as it is.
    if not all(map(bytes.isascii, encoded)):
        for value in values:
            check_value(value, 1)
    return values


def joined_as_list(encoded: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(encoded)


def check_value(value: Any, depth: int) -> None:
    """Raises EntryNotCanonical for what an entry cannot hold at this depth; the entry itself is at depth 1."""
    if depth > DEEPEST:
        raise EntryNotCanonical(f"A log entry is nested at most {DEEPEST} levels deep.")
    if isinstance(value, dict):
        if not _are_ascii(value):
            raise EntryNotCanonical("The names in a log entry are ASCII text.")
        _check_items(value.values(), depth)
    elif isinstance(value, (list, tuple)):
        _check_items(value, depth)
    elif isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise EntryNotCanonical("Whole numbers beyond 2^53-1 are written as text.")
    elif value is not None and not isinstance(value, str):
        raise EntryNotCanonical(f"A log entry cannot hold a {type(value).__name__}.")


def _check_fields(value: dict[str, Any]) -> None:
    """Check what the fields of an entry hold: nearly all is text or a small number, and needs no closer look."""
    for item in [item for item in value.values() if type(item) is not str]:
        if type(item) is int:
            if not -LARGEST_INTEGER <= item <= LARGEST_INTEGER:
                check_value(item, 2)
        elif item is not None:
            check_value(item, 2)


def _check_items(items: Iterable[Any], depth: int) -> None:
    for item in items:
        # Nearly all is text, of which nothing needs to be known: the sequencer asks this thousands of times a batch.
        if type(item) is not str or depth == DEEPEST:
            check_value(item, depth + 1)


def _are_ascii(names: Iterable[Any]) -> bool:
    try:
        return "".join(names).isascii()
    except TypeError:
        return False
