"""How many requests a token may have in a minute, counted in Redis for all processes together."""

import logging
from datetime import datetime

from django.core.cache import cache
from redis.exceptions import RedisError

from marketplace.access.errors import RateExceeded
from marketplace.access.models import AccessToken

logger = logging.getLogger(__name__)

_MINUTE = 60


def count_request(token: AccessToken, at: datetime) -> None:
    """Count one request in the running minute; a token's successors share its limit. Raises: RateExceeded."""
    if token.rate_per_minute is None:
        return
    minute, second = divmod(int(at.timestamp()), _MINUTE)
    key = f"token-rate:{token.family_pk}:{minute}"
    try:
        cache.add(key, 0, 2 * _MINUTE)
        count = cache.incr(key)
    except (RedisError, ValueError):
        # A limit that the buyer set for himself: without Redis his programs go on.
        logger.warning("access.rate_uncounted", extra={"token_id": token.public_id})
        return
    if count > token.rate_per_minute:
        raise RateExceeded(retry_after_seconds=_MINUTE - second)
