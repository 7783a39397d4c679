"""Wake whoever dispatches notices, at most once per waiting task. A lost nudge is healed by the sweep."""

import logging

import redis
from celery import current_app
from django.core.cache import cache
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

TASK = "marketplace.notices.tasks.dispatch_notices_task"
DELIVERING_TASK = "marketplace.notices.tasks.deliver_due_webhooks_task"
_FLAG = "notices-nudged"
_FLAG_SECONDS = 5


def nudge_dispatcher() -> None:
    try:
        if cache.add(_FLAG, 1, timeout=_FLAG_SECONDS):
            current_app.send_task(TASK, retry=False)
    except (redis.RedisError, KombuError, OSError) as error:
        logger.warning("notices.nudge_lost", extra={"reason": type(error).__name__})


def clear_nudge() -> None:
    """Called when dispatching starts: whatever is written from now on nudges anew."""
    try:
        cache.delete(_FLAG)
    except (redis.RedisError, OSError) as error:
        logger.warning("notices.nudge_not_cleared", extra={"reason": type(error).__name__})


def nudge_deliverer() -> None:
    try:
        current_app.send_task(DELIVERING_TASK, retry=False)
    except (redis.RedisError, KombuError, OSError) as error:
        logger.warning("notices.nudge_lost", extra={"reason": type(error).__name__})
