"""Links to files, for readers that fetch without a token: signed, short-lived, and asked again at each use.

A refresh token gives a reader that is not done after five minutes fresh links to the very files that were counted.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core import signing

from marketplace.delivery.errors import LinkExpired, LinkInvalid, RefreshTokenInvalid

LINK_SECONDS = 300
# Delta's own readers take a link for a local path unless its signature has a cloud's name.
SIGNATURE_PARAMETER = "X-Amz-Signature"
# From the query that was counted on, however often the links are renewed.
RENEWAL_SECONDS = 3600
_SALT = "marketplace.delivery.file-link"
_RENEWAL_SALT = "marketplace.delivery.renewal"


@dataclass(frozen=True)
class Renewal:
    """What was counted: one version's files, by the digest of their ids, at a moment in seconds."""

    purchase_id: UUID
    version: int
    files: str
    counted_at: int

    @property
    def text(self) -> str:
        return signing.dumps([self.purchase_id.hex, self.version, self.files, self.counted_at], salt=_RENEWAL_SALT)


def read_renewal(text: str, *, purchase_id: UUID, at: datetime) -> Renewal:
    """Return what a refresh token of this purchase renews. Raises: RefreshTokenInvalid."""
    try:
        owner_id, version, files, counted_at = signing.loads(text, salt=_RENEWAL_SALT)
    except signing.BadSignature as error:
        raise RefreshTokenInvalid from error
    if owner_id != purchase_id.hex or at.timestamp() >= counted_at + RENEWAL_SECONDS:
        raise RefreshTokenInvalid
    return Renewal(purchase_id, version, files, counted_at)


def files_digest(file_ids: Iterable[UUID]) -> str:
    return hashlib.sha256(b"".join(file_id.bytes for file_id in file_ids)).hexdigest()


def sign_link(*, token_id: UUID, file_id: UUID) -> str:
    return signing.dumps([token_id.hex, file_id.hex], salt=_SALT)


def read_link(signature: str, *, file_id: UUID) -> UUID:
    """Return the token's public id of a link to this very file. Raises: LinkExpired, LinkInvalid."""
    try:
        token_id, signed_file_id = signing.loads(signature, salt=_SALT, max_age=LINK_SECONDS)
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except signing.BadSignature as error:
        raise LinkInvalid from error
    if signed_file_id != file_id.hex:
        raise LinkInvalid
    return UUID(token_id)
