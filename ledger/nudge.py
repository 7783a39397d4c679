"""Wake the sequencer after a commit, and the gatherer after a batch, at most once per waiting task. A lost nudge is
healed by the sweep.
"""

import functools
import logging
import time

import redis
from celery import current_app
from django.conf import settings
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

TASK = "ledger.tasks.sequence_task"
GATHERING_TASK = "ledger.tasks.gather_cosignatures_task"
AUDIT_TASK = "ledger.audit_task"
_FLAG = "ledger:sequencer-nudged"
_GATHERING_FLAG = "ledger:gatherer-nudged"
_AUDIT_FLAG = "ledger:auditor-nudged"
_FLAG_SECONDS = 5
_TIMEOUT_SECONDS = 0.2
_REST_SECONDS = 5.0
# After a failure no thread of this process asks again for a while, so a dead Redis costs one timeout, not one a record.
_rest: dict[str, float] = {"until": 0.0}


@functools.lru_cache(maxsize=2)
def _client(address: str) -> "redis.Redis":
    return redis.Redis.from_url(
        address, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS, retry=None
    )


def nudge_sequencer() -> None:
    _nudge(_FLAG, TASK)


def nudge_gatherer() -> None:
    """A new checkpoint was signed: its witnesses shall see it."""
    _nudge(_GATHERING_FLAG, GATHERING_TASK)


def nudge_auditor() -> None:
    """An audit is wanted."""
    _nudge(_AUDIT_FLAG, AUDIT_TASK)


def _nudge(flag: str, task: str) -> None:
    if time.monotonic() < _rest["until"]:
        return
    try:
        if _client(settings.CACHE_URL).set(flag, b"1", nx=True, ex=_FLAG_SECONDS):
            current_app.send_task(task, retry=False)
    except (redis.RedisError, KombuError, OSError) as error:
        _rest["until"] = time.monotonic() + _REST_SECONDS
        logger.warning("ledger.nudge_failed", extra={"reason": type(error).__name__})


def clear_nudge() -> None:
    """Called when the sequencer starts: whatever is submitted from now on nudges anew."""
    _clear(_FLAG)


def clear_gatherer_nudge() -> None:
    _clear(_GATHERING_FLAG)


def _clear(flag: str) -> None:
    try:
        _client(settings.CACHE_URL).delete(flag)
    except (redis.RedisError, OSError) as error:
        logger.warning("ledger.nudge_not_cleared", extra={"reason": type(error).__name__})
