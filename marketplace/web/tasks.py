"""What the worker does for the pages."""

import time

from celery import shared_task
from django.core.cache import cache

HEARTBEAT_KEY = "worker-heartbeat"
HEARTBEAT_KEPT_SECONDS = 3600


@shared_task
def heartbeat_task() -> None:
    """Write down that beat, broker and worker work together; /health reads how long ago that was."""
    cache.set(HEARTBEAT_KEY, time.time(), HEARTBEAT_KEPT_SECONDS)
