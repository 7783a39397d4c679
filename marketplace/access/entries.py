"""The bodies of the access records, pure. Never the token, nor its hash: only public ids and commitments."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ledger.entries import at_text


def access_granted(*, buyer: str, seller: str, expires_at: datetime, reason: str) -> Mapping[str, Any]:
    """buyer, seller: commitments, hex. reason: purchase, rotation, client or delegation."""
    return {
        "buyer": buyer,
        "seller": seller,
        "expires_at": at_text(expires_at),
        "reason": reason,
    }


def access_revoked(*, buyer: str, seller: str) -> Mapping[str, Any]:
    return {"buyer": buyer, "seller": seller}
