"""Canonical JSON (RFC 8785) of the small subset that entries use. Pure.

Floats, integers beyond 2^53-1 and non-ASCII keys are refused; what is left orjson writes with sorted keys exactly as
RFC 8785 demands, many times faster than a general implementation.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from ledger.errors import EntryNotCanonical, EntryTooLarge

LARGEST_ENTRY = 8192
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32


def canonical_bytes(value: Mapping[str, Any]) -> bytes:
    """Return the one encoding of an object. Raises EntryNotCanonical, EntryTooLarge."""
    _check(value, 1)
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


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise EntryNotCanonical(f"A log entry is nested at most {DEEPEST} levels deep.")
    if value is None or isinstance(value, (bool, str)):
        return
    if isinstance(value, int):
        if abs(value) > LARGEST_INTEGER:
            raise EntryNotCanonical("Whole numbers beyond 2^53-1 are written as text.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise EntryNotCanonical("The names in a log entry are ASCII text.")
            _check(item, depth + 1)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item, depth + 1)
    else:
        raise EntryNotCanonical(f"A log entry cannot hold a {type(value).__name__}.")
