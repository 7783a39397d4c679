"""Links to files, for readers that fetch without a token: signed, short-lived, and asked again at each use."""

from uuid import UUID

from django.core import signing

from marketplace.delivery.errors import LinkExpired, LinkInvalid

LINK_SECONDS = 300
# Delta's own readers take a link for a local path unless its signature has a cloud's name.
SIGNATURE_PARAMETER = "X-Amz-Signature"
_SALT = "marketplace.delivery.file-link"


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
