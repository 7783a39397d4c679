"""Wake the worker after an upload. A nudge may be lost: the sweep finds every waiting batch a few seconds later."""

import logging
from datetime import datetime
from functools import partial

from django.db import transaction
from kombu.exceptions import KombuError, OperationalError

logger = logging.getLogger(__name__)

_EVERY_SECONDS = 2.0
# The task waits a moment, so that one run takes all batches of a burst.
_DELAY_SECONDS = 0.5
_MOST_REMEMBERED = 10_000
_nudged_at: dict[int, float] = {}


def nudge_resolver(device_id: int, at: datetime) -> None:
    """Ask for the resolving of a device's batches after the commit, at most every two seconds from this process."""
    now = at.timestamp()
    if abs(now - _nudged_at.get(device_id, 0.0)) < _EVERY_SECONDS:
        return
    if len(_nudged_at) >= _MOST_REMEMBERED:
        _nudged_at.clear()
    _nudged_at[device_id] = now
    transaction.on_commit(partial(_send, device_id), robust=True)


def _send(device_id: int) -> None:
    from devices.tasks import resolve_device_task

    try:
        resolve_device_task.apply_async((device_id,), countdown=_DELAY_SECONDS, retry=False)
    except (KombuError, OperationalError, OSError):
        logger.warning("devices.nudge_lost", extra={"device_id": device_id})
