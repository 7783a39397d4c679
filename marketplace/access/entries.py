"""The bodies of the access records, pure. Never the token, nor its hash: only public ids and commitments."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def access_granted(*, buyer: str, seller: str, expires_at: datetime, is_rotation: bool) -> Mapping[str, Any]:
    """buyer, seller: commitments, hex."""
    return {
        "buyer": buyer,
        "seller": seller,
        "expires_at": expires_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reason": "rotation" if is_rotation else "purchase",
    }


def access_revoked(*, buyer: str, seller: str) -> Mapping[str, Any]:
    return {"buyer": buyer, "seller": seller}
