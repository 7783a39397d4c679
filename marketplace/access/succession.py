"""The text of a token that replaces another one: the same for all who ask, and known to none who lacks our secret.

It follows from the old token's hash, which is all that is kept of it, under the server's key. So neither the database
alone nor the old token alone tells it.
"""

from __future__ import annotations

import base64

from django.conf import settings
from django.utils.crypto import salted_hmac

from marketplace.access.models import AccessToken

TOKEN_PREFIX = "osm_"  # noqa: S105 - the readable start of every token, which secret scanners look for.
_SALT = "marketplace.access.succession"


def successor_texts(replaced: AccessToken) -> list[str]:
    """The first is under the key of now; the others would have been made under those of before."""
    keys = [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    return [_text(bytes(replaced.token_hash), key) for key in keys]


def _text(old_hash: bytes, key: str) -> str:
    digest = salted_hmac(_SALT, old_hash, secret=key, algorithm="sha256").digest()
    return TOKEN_PREFIX + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
