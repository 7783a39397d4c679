"""The short-lived tokens of OAuth clients. django-oauth-toolkit keeps them, by their SHA-256 only."""

import hashlib
import secrets
from datetime import datetime

from oauth2_provider.models import AccessToken as ShortToken
from oauth2_provider.models import Application
from oauthlib.common import Request

SHORT_PREFIX = "oso_"


def short_token(request: Request, refresh_token: bool = False) -> str:
    """The text of a new token: what the toolkit asks of a generator."""
    return SHORT_PREFIX + secrets.token_urlsafe(32)


def find_short_token(text: str) -> ShortToken | None:
    return ShortToken.objects.filter(token_checksum=_checksum(text)).first()


def end_short_token(text: str) -> bool:
    """Whether there was such a token. Its client gets another one whenever it asks."""
    return bool(ShortToken.objects.filter(token_checksum=_checksum(text)).delete()[0])


def forget_client(client: Application) -> None:
    """Leave nothing of a client by which it could be known again."""
    ShortToken.objects.filter(application=client).delete()
    client.client_id, client.client_secret = secrets.token_urlsafe(16), ""
    client.save(update_fields=["client_id", "client_secret"])


def forget_short_tokens(*, at: datetime) -> int:
    """Delete those that are over, and return how many."""
    return int(ShortToken.objects.filter(expires__lte=at).delete()[0])


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
