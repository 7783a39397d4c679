"""Keys that let a person's own programs use the JSON API."""

import hashlib
import logging
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from marketplace.accounts.errors import AddressNotConfirmed, ApiKeyNameMissing, TooManyApiKeys
from marketplace.accounts.models import ApiKey, User

logger = logging.getLogger(__name__)

KEY_PREFIX = "own_key_"
SHOWN_PREFIX_LENGTH = 14
KEYS_PER_PERSON = 20
_USE_NOTED_EVERY = timedelta(minutes=1)


def hash_api_key(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def find_api_key(key: str, at: datetime) -> ApiKey | None:
    """Return the working key with this text, with whose it is, and note that it was used.

    At most one write a minute, so that reading stays a read.
    """
    api_key = ApiKey.objects.usable().select_related("user").filter(key_hash=hash_api_key(key)).first()
    if api_key and (api_key.last_used_at is None or at - api_key.last_used_at >= _USE_NOTED_EVERY):
        ApiKey.objects.filter(pk=api_key.pk).update(last_used_at=at)
    return api_key


@transaction.atomic
def create_api_key(*, user: User, name: str, at: datetime) -> tuple[ApiKey, str]:
    """Make a key and return its row with the key itself, which is kept nowhere and can't be shown again.

    Raises: ApiKeyNameMissing, AddressNotConfirmed, TooManyApiKeys.
    """
    name = name.strip()
    if not name:
        raise ApiKeyNameMissing
    User.objects.select_for_update().get(pk=user.pk)
    if not user.has_proven_address():
        raise AddressNotConfirmed
    if ApiKey.objects.usable().filter(user=user).count() >= KEYS_PER_PERSON:
        raise TooManyApiKeys
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    api_key = ApiKey.objects.create(
        user=user, name=name, key_hash=hash_api_key(key), prefix=key[:SHOWN_PREFIX_LENGTH], created_at=at
    )
    logger.info("api_key.created", extra={"api_key_id": str(api_key.public_id)})
    return api_key, key


@transaction.atomic
def revoke_api_key(*, api_key: ApiKey, at: datetime) -> ApiKey:
    """Refuse the key from now on. Revoking it again changes nothing."""
    api_key = ApiKey.objects.select_for_update().get(pk=api_key.pk)
    if api_key.revoked_at is None:
        api_key.revoked_at = at
        api_key.save(update_fields=["revoked_at"])
        logger.info("api_key.revoked", extra={"api_key_id": str(api_key.public_id)})
    return api_key


@transaction.atomic
def revoke_api_keys(*, user: User, at: datetime) -> int:
    """Refuse every key of a person from now on, and return how many that ended.

    Who sets a new password takes the account back from whoever knew the old one, and may have made keys with it.
    """
    User.objects.select_for_update().get(pk=user.pk)
    count = ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=at)
    if count:
        logger.info("api_keys.revoked", extra={"user_id": str(user.public_id), "count": count})
    return count
