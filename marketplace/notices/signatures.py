"""Sign webhooks in the Standard Webhooks form (version 1.0 of the specification, "symmetric" signatures). Pure."""

import base64
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"
# The specification asks for 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def secret_text(secret: bytes) -> str:
    """The secret as its holder pastes it into a program."""
    return PREFIX + base64.b64encode(secret).decode()


def signed_headers(*, secrets: Iterable[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of one attempt. Each secret gives one signature; any that verifies is enough.

    timestamp: of this attempt, in seconds since 1970.
    """
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = [hmac.digest(secret, content, "sha256") for secret in secrets]
    signatures = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}
