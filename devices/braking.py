"""How many batches a device may send a minute. So many that only a device gone wild, or a stolen key, ever notices.

Each process counts for itself and adds its count to the common one in Redis at every twentieth batch: an ordinary
upload asks nobody. The common count may so lag behind by nineteen batches a process. Without Redis, the processes'
own counts still hold.
"""

import functools
import logging
import time
from dataclasses import dataclass
from datetime import datetime

import redis
from django.conf import settings

from devices.errors import TooManyBatches

logger = logging.getLogger(__name__)

MINUTE_SECONDS = 60
SHARED_EVERY = 20
_MOST_REMEMBERED = 10_000
_TIMEOUT_SECONDS = 0.2
_REST_SECONDS = 5.0
# After a failure no thread of this process asks again for a while, so a dead Redis costs one timeout, not one a batch.
_rest: dict[str, float] = {"until": 0.0}


@dataclass(slots=True)
class _Count:
    """One device's batches in one minute. own: of this process; others: of all others, as far as they were told.

    Threads change it without a lock: a batch that is not counted now and then does no harm.
    """

    minute: int
    own: int = 0
    others: int = 0


_counts: dict[int, _Count] = {}


def count_batch(device_id: int, at: datetime) -> None:
    """Count one batch. Raises TooManyBatches when the device's share of this minute is used up."""
    seconds = int(at.timestamp())
    minute = seconds // MINUTE_SECONDS
    count = _counts.get(device_id)
    if count is None or count.minute != minute:
        count = _begin(device_id, minute)
    if count.own + count.others >= settings.DEVICE_BATCHES_A_MINUTE:
        raise TooManyBatches(MINUTE_SECONDS - seconds % MINUTE_SECONDS)
    count.own += 1
    if count.own % SHARED_EVERY == 0:
        count.others = max(_shared(device_id, minute) - count.own, 0)


def _begin(device_id: int, minute: int) -> _Count:
    if len(_counts) >= _MOST_REMEMBERED:
        _counts.clear()
    _counts[device_id] = _Count(minute)
    return _counts[device_id]


def _shared(device_id: int, minute: int) -> int:
    """Add to the common count and return it; 0 when Redis is away."""
    if time.monotonic() < _rest["until"]:
        return 0
    key = f"devices:batches:{device_id}:{minute}"
    try:
        with _client(settings.CACHE_URL).pipeline(transaction=False) as both:
            both.incrby(key, SHARED_EVERY)
            both.expire(key, 2 * MINUTE_SECONDS)
            return int(both.execute()[0])
    except (redis.RedisError, OSError) as error:
        _rest["until"] = time.monotonic() + _REST_SECONDS
        logger.warning("devices.brake_alone", extra={"reason": type(error).__name__})
        return 0


@functools.lru_cache(maxsize=2)
def _client(address: str) -> "redis.Redis":
    return redis.Redis.from_url(
        address, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
    )
