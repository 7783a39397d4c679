"""The Delta Sharing profile file. Pure. Source: Delta Sharing protocol, Profile File Format, version 1."""

from datetime import UTC, datetime
from typing import Any


def share_profile(*, endpoint: str, token: str, expires_at: datetime) -> dict[str, Any]:
    """endpoint: the address of /delta-sharing/ as the buyer reaches it; token: the bearer token itself."""
    return {
        "shareCredentialsVersion": 1,
        "endpoint": endpoint,
        "bearerToken": token,
        "expirationTime": expires_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
