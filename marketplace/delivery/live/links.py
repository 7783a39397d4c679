"""Signed, short-lived links to a live stream, for the buyer's own page: a browser's EventSource can send no token."""

from uuid import UUID

from django.core import signing

from marketplace.delivery.errors import LinkExpired, LinkInvalid

LINK_SECONDS = 60
LINK_PARAMETER = "link"
_SALT = "marketplace.delivery.live-link"


def sign_live_link(*, token_id: UUID, purchase_id: UUID) -> str:
    return signing.dumps([token_id.hex, purchase_id.hex], salt=_SALT)


def read_live_link(signature: str, *, purchase_id: UUID) -> UUID:
    """Return the token's public id of a link to this very stream. Raises: LinkExpired, LinkInvalid."""
    try:
        token_id, signed_purchase_id = signing.loads(signature, salt=_SALT, max_age=LINK_SECONDS)
    except signing.SignatureExpired as error:
        raise LinkExpired from error
    except signing.BadSignature as error:
        raise LinkInvalid from error
    if signed_purchase_id != purchase_id.hex:
        raise LinkInvalid
    return UUID(token_id)
