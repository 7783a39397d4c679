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
    if token.rate_per_minute is not None:
        count_in_minute(f"token-rate:{token.family_pk}", token.rate_per_minute, at)


def count_in_minute(name: str, most: int, at: datetime) -> None:
    """Raises: RateExceeded."""
    minute, second = divmod(int(at.timestamp()), _MINUTE)
    key = f"{name}:{minute}"
    try:
        cache.add(key, 0, 2 * _MINUTE)
        count = cache.incr(key)
    except (RedisError, ValueError):
        # Limits that protect nobody but who set them: without Redis programs go on.
        logger.warning("access.rate_uncounted")
        return
    if count > most:
        raise RateExceeded(retry_after_seconds=_MINUTE - second)
