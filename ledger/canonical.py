"""Canonical JSON (RFC 8785) of the small subset that entries use. Pure.

Floats, integers beyond 2^53-1 and non-ASCII keys are refused; what is left orjson writes with sorted keys exactly as
RFC 8785 demands, many times faster than a general implementation.
"""

from collections.abc import Iterable, Mapping
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
