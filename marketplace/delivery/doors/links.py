"""Links to files, for readers that fetch without a token: signed, short-lived, and asked again at each use.

A refresh token gives a reader that is not done after five minutes fresh links to the very files that were counted.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.utils.encoding import force_bytes

from marketplace.delivery.errors import LinkExpired, LinkInvalid, RefreshTokenInvalid

LINK_SECONDS = 300
# Delta's own readers take a link for a local path unless its signature has a cloud's name.
SIGNATURE_PARAMETER = "X-Amz-Signature"
# From the query that was counted on, however often the links are renewed.
RENEWAL_SECONDS = 3600
_SALT = "marketplace.delivery.file-link"
# With the HMAC 57 bytes, which base64 writes without a rest: nothing in a link can be changed unnoticed.
_CLAIMS_BYTES = 16 + 9
_RENEWAL_SALT = "marketplace.delivery.renewal"


@dataclass(frozen=True)
class Renewal:
    """What was counted for a token: one version's files, by the digest of their ids, at a moment in seconds."""

    token_id: UUID
    version: int
    files: str
    counted_at: int

    @property
    def text(self) -> str:
        return signing.dumps([self.token_id.hex, self.version, self.files, self.counted_at], salt=_RENEWAL_SALT)


def read_renewal(text: str, *, token_id: UUID, at: datetime) -> Renewal:
    """Return what a refresh token given to this access token renews. Raises: RefreshTokenInvalid."""
    try:
        owner_id, version, files, counted_at = signing.loads(text, salt=_RENEWAL_SALT)
    except signing.BadSignature as error:
        raise RefreshTokenInvalid from error
    if owner_id != token_id.hex or at.timestamp() >= counted_at + RENEWAL_SECONDS:
        raise RefreshTokenInvalid
    return Renewal(token_id, version, files, counted_at)


def files_digest(file_ids: Iterable[UUID]) -> str:
    return hashlib.sha256(b"".join(file_id.bytes for file_id in file_ids)).hexdigest()


class LinkSigner:
    """Signs links to many files for one token. A signature holds the token, its end and an HMAC over them and the file.

    Django's signer would do, at ten times the price, and an answer may have thousands of links.
    """

    def __init__(self, *, token_id: UUID, at: datetime) -> None:
        self.claims = token_id.bytes + int(at.timestamp() + LINK_SECONDS).to_bytes(_CLAIMS_BYTES - 16, "big")
        self.key = _keys()[0]

    def sign(self, file_id: UUID) -> str:
        signed = self.claims + hmac.digest(self.key, self.claims + file_id.bytes, "sha256")
        return base64.urlsafe_b64encode(signed).decode()


def read_link(signature: str, *, file_id: UUID, at: datetime) -> UUID:
    """Return the token's public id of a link to this very file. Raises: LinkExpired, LinkInvalid."""
    try:
        signed = base64.b64decode(signature, altchars=b"-_", validate=True)
    except ValueError as error:
        raise LinkInvalid from error
    claims, mark = signed[:_CLAIMS_BYTES], signed[_CLAIMS_BYTES:]
    marks = [hmac.digest(key, claims + file_id.bytes, "sha256") for key in _keys()]
    if not any(hmac.compare_digest(mark, one) for one in marks):
        raise LinkInvalid
    if at.timestamp() >= int.from_bytes(claims[16:], "big"):
        raise LinkExpired
    return UUID(bytes=claims[:16])


def _keys() -> list[bytes]:
    """The newest first; links that an older one signed live on for their minutes."""
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [hashlib.sha256(_SALT.encode() + force_bytes(secret)).digest() for secret in secrets]
