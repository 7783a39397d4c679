"""Deliver webhooks: one endpoint at a time, its notices in their order, failures again with growing rests.

A worker has an endpoint to itself while it delivers there, and a person at most one worker: who answers slowly, or
never, holds up his own notices only.
"""

import logging
import random
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import orjson
from django.db import connection, transaction

from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from marketplace.notices.sealing import unseal
from marketplace.notices.sending import Answer, send
from marketplace.notices.signatures import signed_headers
from marketplace.notices.writing import notify

logger = logging.getLogger(__name__)

# After the first failure, the second, ...: ten attempts in about three days, as the specification proposes.
RETRY_AFTER = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
DISABLED_AFTER = timedelta(days=5)
KEPT = timedelta(days=30)
# How long a worker stays at one endpoint, and when another may take over because it must have died.
ROUND_SECONDS = 30.0
LEASE = timedelta(minutes=2)
MOST_A_ROUND = 50
MOST_AT_ONCE = 16
UNREADABLE = "Its secret can't be read any more. Make a new one."

# busy_until keeps others out; served_at lets those go first who have waited longest.
_WAITING = """
    FROM notices_webhookendpoint endpoint
    WHERE disabled_at IS NULL AND (busy_until IS NULL OR busy_until <= %(at)s)
        AND EXISTS (
            SELECT FROM notices_webhookdelivery delivery
            WHERE delivery.endpoint_id = endpoint.id AND state = 'waiting' AND due_at <= %(at)s
        )
        AND NOT EXISTS (
            SELECT FROM notices_webhookendpoint other
            WHERE other.user_id = endpoint.user_id AND other.busy_until > %(at)s
        )
"""
_TAKE = f"""
    UPDATE notices_webhookendpoint SET busy_until = %(until)s, served_at = %(at)s
    WHERE id = (
        SELECT endpoint.id {_WAITING} ORDER BY served_at NULLS FIRST, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING *
"""  # noqa: S608 - both parts are our own text.


def count_waiting_endpoints(*, at: datetime) -> int:
    """Count the endpoints with something due that nobody delivers to, up to MOST_AT_ONCE."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 {_WAITING} LIMIT {MOST_AT_ONCE}) found",  # noqa: S608 - our own text.
            {"at": at},
        )
        return int(cursor.fetchone()[0])


def serve_next_endpoint(*, at: datetime) -> bool:
    """Deliver what is due at the endpoint that has waited longest. False when nothing is due anywhere."""
    taken = list(WebhookEndpoint.objects.raw(_TAKE, {"at": at, "until": at + LEASE}))
    if not taken:
        return False
    endpoint = taken[0]
    try:
        _serve(endpoint, at)
    finally:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(busy_until=None)
    return True


def _serve(endpoint: WebhookEndpoint, at: datetime) -> None:
    """Stop at the first failure: what comes after it would most likely fail as slowly."""
    end = time.monotonic() + ROUND_SECONDS
    due = WebhookDelivery.objects.filter(endpoint=endpoint, state=WebhookDelivery.State.WAITING, due_at__lte=at)
    for delivery in due.select_related("notice").order_by("due_at", "id")[:MOST_A_ROUND]:
        if time.monotonic() > end or not _attempt(endpoint, delivery, at):
            break


def _attempt(endpoint: WebhookEndpoint, delivery: WebhookDelivery, at: datetime) -> bool:
    body = body_of(delivery)
    started = time.monotonic()
    secrets = _secrets(endpoint, at)
    if secrets:
        headers = signed_headers(
            secrets=secrets, message_id=message_id(delivery), timestamp=int(at.timestamp()), body=body
        )
        headers |= {"Content-Type": "application/json", "User-Agent": "Ownstream-Webhooks"}
        answer = send(endpoint.url, headers, body)
    else:
        answer = Answer(0, UNREADABLE)
    _note(endpoint, delivery, answer, at=at, duration_ms=int(1000 * (time.monotonic() - started)))
    return answer.is_taken


def message_id(delivery: WebhookDelivery) -> str:
    """The same in every attempt, so that a program can tell a repeat."""
    source = delivery.public_id if delivery.notice is None else delivery.notice.public_id
    return f"msg_{source.hex}"


def body_of(delivery: WebhookDelivery) -> bytes:
    """The same bytes in every attempt: what a notice says never changes."""
    notice = delivery.notice
    if notice is None:
        kind, at, data = "test", delivery.created_at, {"webhook": str(delivery.endpoint.public_id)}
    else:
        kind, at, data = notice.kind, notice.at, {"notice": str(notice.public_id), **notice.facts}
    timestamp = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return orjson.dumps({"type": kind, "timestamp": timestamp, "data": data})


def _secrets(endpoint: WebhookEndpoint, at: datetime) -> list[bytes]:
    """The newest first. Empty when it can't be read."""
    secret = unseal(endpoint.sealed_secret)
    if secret is None:
        return []
    if endpoint.previous_sealed_secret is None or endpoint.previous_until is None or at >= endpoint.previous_until:
        return [secret]
    previous = unseal(endpoint.previous_sealed_secret)
    return [secret] if previous is None else [secret, previous]


@transaction.atomic
def _note(
    endpoint: WebhookEndpoint, delivery: WebhookDelivery, answer: Answer, *, at: datetime, duration_ms: int
) -> None:
    """Write down one attempt and what follows. Nothing when the webhook was deleted meanwhile."""
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=endpoint.pk).first()
    if locked is None or not WebhookDelivery.objects.filter(pk=delivery.pk).exists():
        return
    WebhookAttempt.objects.create(
        delivery=delivery, at=at, duration_ms=duration_ms, status_code=answer.status or None, reason=answer.reason
    )
    delivery.attempt_count += 1
    if answer.is_taken:
        delivery.state, delivery.due_at, delivery.delivered_at = WebhookDelivery.State.DELIVERED, None, at
        locked.failing_since = None
    elif delivery.attempt_count > len(RETRY_AFTER):
        delivery.state, delivery.due_at = WebhookDelivery.State.FAILED, None
    else:
        rest = RETRY_AFTER[delivery.attempt_count - 1]
        delivery.due_at = at + rest * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load only.
    delivery.save(update_fields=["attempt_count", "state", "due_at", "delivered_at"])
    if not answer.is_taken:
        locked.failing_since = locked.failing_since or at
    locked.save(update_fields=["failing_since"])
    extra = {"delivery_id": str(delivery.public_id), "status": answer.status, "state": delivery.state}
    logger.info("webhook.attempted", extra=extra)
    if locked.disabled_at is None and not answer.is_taken:
        _disable_if_hopeless(locked, answer, at)


def _disable_if_hopeless(endpoint: WebhookEndpoint, answer: Answer, at: datetime) -> None:
    """410 Gone asks for it; else five days without a single success."""
    assert endpoint.failing_since is not None
    is_gone = answer.status == 410
    if not is_gone and at - endpoint.failing_since < DISABLED_AFTER:
        return
    reason = WebhookEndpoint.Off.GONE if is_gone else WebhookEndpoint.Off.FAILING
    endpoint.disabled_at, endpoint.disabled_reason = at, reason
    endpoint.save(update_fields=["disabled_at", "disabled_reason"])
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=WebhookDelivery.State.WAITING)
    waiting.update(state=WebhookDelivery.State.FAILED, due_at=None)
    host = urlsplit(endpoint.url).hostname or ""
    facts = {"endpoint": str(endpoint.public_id), "host": host, "reason": reason.value}
    notify(user=endpoint.user, kind=NoticeKind.WEBHOOK_DISABLED, facts=facts, at=at, reference=endpoint.public_id)


def forget_deliveries(*, at: datetime) -> int:
    """Delete the log of what was delivered, or given up, KEPT ago. Returns how many rows went."""
    done = WebhookDelivery.objects.exclude(state=WebhookDelivery.State.WAITING)
    return done.filter(created_at__lt=at - KEPT).delete()[0]
