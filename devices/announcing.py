"""Tell live readers that a batch came. Said once after the commit and forgotten: who misses it asks by himself soon.

Of a device that sends all the time it is said ten times a second: who was told looks again a little later.
"""

import logging
import time
from functools import lru_cache, partial

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

CHANNEL = "devices:arrivals"
SAID_EVERY_SECONDS = 0.1
_MOST_REMEMBERED = 10_000
_TIMEOUT_SECONDS = 0.2
_REST_SECONDS = 5.0
# After a failure this process says nothing for a while, so a dead Redis costs one timeout, not one a batch.
_rest: dict[str, float] = {"until": 0.0}
_said_at: dict[int, float] = {}


def announce_batch(device_id: int) -> None:
    now = time.monotonic()
    if now - _said_at.get(device_id, 0.0) < SAID_EVERY_SECONDS:
        return
    if len(_said_at) >= _MOST_REMEMBERED:
        _said_at.clear()
    _said_at[device_id] = now
    transaction.on_commit(partial(_announce, device_id), robust=True)


def _announce(device_id: int) -> None:
    if time.monotonic() < _rest["until"]:
        return
    try:
        _client(settings.CACHE_URL).publish(CHANNEL, device_id)
    except (redis.RedisError, OSError) as error:
        _rest["until"] = time.monotonic() + _REST_SECONDS
        logger.warning("devices.arrival_unsaid", extra={"reason": type(error).__name__})


@lru_cache(maxsize=2)
def _client(address: str) -> "redis.Redis":
    return redis.Redis.from_url(
        address, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
    )
