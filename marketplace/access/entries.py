"""The bodies of the access records, pure. Never the token, nor its hash: only public ids and commitments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ledger.entries import at_text


def access_granted(*, buyer: str, seller: str, expires_at: datetime, is_rotation: bool) -> Mapping[str, Any]:
    """buyer, seller: commitments, hex."""
    return {
        "buyer": buyer,
        "seller": seller,
        "expires_at": at_text(expires_at),
        "reason": "rotation" if is_rotation else "purchase",
    }


def access_revoked(*, buyer: str, seller: str) -> Mapping[str, Any]:
    return {"buyer": buyer, "seller": seller}
