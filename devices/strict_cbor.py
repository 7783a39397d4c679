"""A decoder for the small part of CBOR (RFC 8949) that envelopes and SenML use, which takes nothing that is ambiguous.

No indefinite lengths, no duplicate keys, no tags, no bytes left over. Pure. cbor2 is several times faster but forgives
all of these, so it decodes payloads and this decides where cbor2's re-encoding differs.
"""

import struct
from typing import Any

_MAX_DEPTH = 6
_SIMPLE = {20: False, 21: True, 22: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_INDEFINITE = 31


class CborRefused(ValueError):
    """str(error) says what is wrong, in a sentence."""


def decode_strictly(encoded: bytes) -> Any:
    """Return the value of exactly one CBOR item. Raises CborRefused."""
    value, end = decode_item(encoded, 0, 0)
    if end != len(encoded):
        raise CborRefused("There are bytes after the end of the CBOR item.")
    return value


def decode_item(encoded: bytes, at: int, depth: int) -> tuple[Any, int]:
    """Return the item that starts at an offset, and the offset behind it."""
    if depth > _MAX_DEPTH:
        raise CborRefused("The CBOR item is nested too deeply.")
    major, low, argument, at = decode_head(encoded, at)
    match major:
        case 0 | 1:
            return (-1 - argument if major else argument), at
        case 2:
            return _take(encoded, at, argument)
        case 3:
            text, at = _take(encoded, at, argument)
            try:
                return text.decode(), at
            except UnicodeDecodeError as error:
                raise CborRefused("A CBOR text is not UTF-8.") from error
        case 4:
            return _decode_array(encoded, at, argument, depth)
        case 5:
            return _decode_map(encoded, at, argument, depth)
        case 6:
            raise CborRefused("CBOR tags are not taken here.")
    return _decode_simple(encoded, at, low)


def decode_head(encoded: bytes, at: int) -> tuple[int, int, int, int]:
    """Return major type, the low five bits, the argument, and the offset behind the head. For floats argument is 0."""
    if at >= len(encoded):
        raise CborRefused("The CBOR item ends too early.")
    major, low = encoded[at] >> 5, encoded[at] & 31
    at += 1
    if low < 24 or major == 7:
        return major, low, low, at
    if low > 27:
        raise CborRefused("CBOR items of indefinite length are not taken.")
    size = 1 << (low - 24)
    digits, at = _take(encoded, at, size)
    return major, low, int.from_bytes(digits, "big"), at


def _take(encoded: bytes, at: int, size: int) -> tuple[bytes, int]:
    if size > len(encoded) - at:
        raise CborRefused("The CBOR item ends too early.")
    return encoded[at : at + size], at + size


def _decode_array(encoded: bytes, at: int, length: int, depth: int) -> tuple[list[Any], int]:
    if length > len(encoded) - at:
        raise CborRefused("The CBOR item ends too early.")
    items = []
    for _ in range(length):
        item, at = decode_item(encoded, at, depth + 1)
        items.append(item)
    return items, at


def _decode_map(encoded: bytes, at: int, length: int, depth: int) -> tuple[dict[Any, Any], int]:
    items: dict[Any, Any] = {}
    for _ in range(length):
        key, at = decode_item(encoded, at, depth + 1)
        if type(key) not in {int, str}:
            raise CborRefused("A CBOR key is neither a number nor a text.")
        if key in items:
            raise CborRefused(f"The CBOR key {key!r} occurs twice.")
        items[key], at = decode_item(encoded, at, depth + 1)
    return items, at


def _decode_simple(encoded: bytes, at: int, low: int) -> tuple[Any, int]:
    if low in _SIMPLE:
        return _SIMPLE[low], at
    if low in _FLOATS:
        form, size = _FLOATS[low]
        digits, at = _take(encoded, at, size)
        return struct.unpack(form, digits)[0], at
    if low == _INDEFINITE:
        raise CborRefused("CBOR items of indefinite length are not taken.")
    raise CborRefused("A CBOR simple value is not known.")
