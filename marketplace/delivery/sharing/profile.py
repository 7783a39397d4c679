"""The Delta Sharing profile files. Pure. Source: Delta Sharing protocol, Profile File Format, versions 1 and 2."""

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


def client_profile(*, endpoint: str, token_endpoint: str, client_id: str, secret: str) -> dict[str, Any]:
    """For a client that fetches its tokens by itself: version 2 of the format."""
    return {
        "shareCredentialsVersion": 2,
        "type": "oauth_client_credentials",
        "endpoint": endpoint,
        "tokenEndpoint": token_endpoint,
        "clientId": client_id,
        "clientSecret": secret,
    }
