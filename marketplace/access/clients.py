"""OAuth clients (RFC 6749, 4.4): one for each purchase, for programs that fetch short-lived tokens by themselves."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.crypto import constant_time_compare
from oauth2_provider.models import Application

from marketplace.access.errors import ClientExists
from marketplace.access.granting import narrowed_token
from marketplace.access.issuing import check_issuing, lock_purchase, revoke_locked, write_token
from marketplace.access.models import AccessToken
from marketplace.access.narrowing import WIDE, Narrowing
from marketplace.purchases.models import Purchase

_CLIENT_PREFIX, _SECRET_PREFIX = "osc_", "oss_"


@dataclass(frozen=True)
class ClientSecret:
    """What the client logs in with. The secret is returned once and never kept."""

    client_id: str
    secret: str


@transaction.atomic
def issue_client(
    *, purchase: Purchase, at: datetime, name: str = "", narrowing: Narrowing = WIDE
) -> tuple[AccessToken, ClientSecret]:
    """Make the purchase's OAuth client, narrowed like a token if wanted.

    Raises: ClientExists, and what issue_token raises.
    """
    locked = lock_purchase(purchase)
    former = AccessToken.objects.filter(purchase=locked, kind=AccessToken.Kind.CLIENT, revoked_at=None).first()
    if former is not None and former.is_usable(at):
        raise ClientExists
    check_issuing(locked, narrowing, at)
    if former is not None:
        revoke_locked(former, at)
    made = ClientSecret(_CLIENT_PREFIX + secrets.token_urlsafe(16), _SECRET_PREFIX + secrets.token_urlsafe(32))
    token = narrowed_token(narrowing, name)
    token.kind = AccessToken.Kind.CLIENT
    token.application = Application.objects.create(
        client_id=made.client_id,
        client_secret=secret_hash(made.secret),
        # It is one already, of our own making.
        hash_client_secret=False,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )
    # Nobody presents it: what is presented is what the client is given for its secret.
    token.token_hash, token.prefix = secrets.token_bytes(32), made.client_id[: len("osc_") + 6]
    return write_token(token, locked, at), made


def secret_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def has_secret(token: AccessToken, secret: str) -> bool:
    """Whether this is the secret of the token's client."""
    client = token.application
    return client is not None and constant_time_compare(secret_hash(secret), client.client_secret)
