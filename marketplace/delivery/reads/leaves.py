"""A read as a leaf of its day's summary: bytes that say nothing of a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from ledger.entries import at_text


def leaf_content(
    *, read: UUID, purchase: UUID, door: str, at: datetime, row_count: int, byte_count: int
) -> dict[str, Any]:
    return {
        "at": at_text(at),
        "bytes": byte_count,
        "door": door,
        "purchase": str(purchase),
        "read": str(read),
        "rows": row_count,
    }


def leaf_bytes(content: Mapping[str, Any]) -> bytes:
    """Canonical JSON (RFC 8785), as in the log: what is hashed, behind one zero byte."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def delivery_summary(
    *, buyer: str, seller: str, day: str, read_count: int, row_count: int, byte_count: int, root: bytes
) -> dict[str, Any]:
    """buyer, seller: handles (HMAC commitments, hex). root: of the leaves, in the order of the reads."""
    return {
        "buyer": buyer,
        "seller": seller,
        "day": day,
        "reads": read_count,
        "rows": row_count,
        "bytes": byte_count,
        "reads_root": root.hex(),
    }
