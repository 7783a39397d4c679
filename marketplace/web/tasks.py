"""What the worker does for the pages."""

import time

from celery import shared_task
from django.core.cache import cache
from django.core.management import call_command

HEARTBEAT_KEY = "worker-heartbeat"
HEARTBEAT_KEPT_SECONDS = 3600


@shared_task
def heartbeat_task() -> None:
    """Write down that beat, broker and worker work together; /health reads how long ago that was."""
    cache.set(HEARTBEAT_KEY, time.time(), HEARTBEAT_KEPT_SECONDS)


@shared_task
def clear_sessions_task() -> None:
    """Delete the sessions that have expired; Django keeps them until it is told to."""
    call_command("clearsessions")
