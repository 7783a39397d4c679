"""GET /health for people on call: which part is down, and since when. GET /health/live for whoever restarts the web."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.models import Min
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError as BrokerError

from ledger.inspection import find_blocking_row
from ledger.models import Checkpoint, OutboxRow
from ledger.services import current_freeze
from marketplace.rights import excess_of_rights
from marketplace.web.tasks import HEARTBEAT_KEY

HEARTBEAT_LATE_SECONDS = 30
OUTBOX_LATE = timedelta(seconds=60)
UNREACHABLE = (DatabaseError, BrokerError, redis.RedisError, OSError)
Part = dict[str, Any]

logger = logging.getLogger(__name__)


@require_safe
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part is up, else 503. The body names each part either way."""
    parts = {
        "database": look_at("database", look_at_database),
        "broker": look_at("broker", look_at_broker),
        "worker": look_at("worker", look_at_worker),
    }
    # Without a database each question to it waits for a connection; one wait is enough.
    parts["log"] = look_at("log", look_at_log) if parts["database"]["up"] else {"up": False}
    is_up = all(part["up"] for part in parts.values())
    return JsonResponse({"up": is_up, **parts}, status=200 if is_up else 503)


@require_safe
@never_cache
def health_live(request: HttpRequest) -> HttpResponse:
    """Answer 200 whenever this process answers: another part that is down is no reason to restart this one."""
    return HttpResponse("live\n", content_type="text/plain")


def look_at(name: str, look: Callable[[], Part]) -> Part:
    """Look at one part. An unreachable one is down; what exactly failed is for the server's own log only."""
    try:
        return look()
    except UNREACHABLE as error:
        logger.warning("health.part_down", extra={"part": name, "error": type(error).__name__})
        return {"up": False}


def look_at_database() -> Part:
    """roles_separated is no part of being up: a developer's own database has one role for everything."""
    with connection.cursor() as cursor:
        return {"up": True, "roles_separated": not excess_of_rights(cursor)}


def look_at_broker() -> Part:
    from marketplace.celery import app

    with app.connection_for_read(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=2)
        broker.default_channel.client.ping()
    return {"up": True}


def look_at_worker() -> Part:
    """Beat sends a heartbeat through the broker each five seconds and a worker writes it down."""
    written_at = cache.get(HEARTBEAT_KEY)
    if written_at is None:
        return {"up": False, "heartbeat_age_seconds": None}
    age = max(0.0, time.time() - written_at)
    return {"up": age <= HEARTBEAT_LATE_SECONDS, "heartbeat_age_seconds": round(age, 1)}


def look_at_log() -> Part:
    """An idle log is not down, however old its head; one that leaves records waiting is, and one that is frozen."""
    now = timezone.now()
    head = Checkpoint.objects.order_by("-size").first()
    oldest = OutboxRow.objects.aggregate(oldest=Min("submitted_at"))["oldest"]
    is_late = oldest is not None and now - oldest > OUTBOX_LATE
    blocking = find_blocking_row() if is_late else None
    freeze = current_freeze()
    return {
        "up": not is_late and freeze is None,
        "size": head.size if head else 0,
        "head_age_seconds": round((now - head.signed_at).total_seconds(), 1) if head else None,
        "oldest_waiting_seconds": round((now - oldest).total_seconds(), 1) if oldest else None,
        "blocked_by": blocking.pk if blocking else None,
        "frozen": freeze.code if freeze else None,
    }
