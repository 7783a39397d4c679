"""Take in what a provider says: keep the event once, then let follow from it what follows, once.

Keeping commits first, so an answer of 200 means that nothing can be lost any more. An event from which nothing could
follow yet (a dispute that came before its payment) waits for the next event of the same payment, or for the sweep.
"""

from __future__ import annotations

import logging
from datetime import datetime
from hashlib import sha256

from django.db import DatabaseError, connection, transaction

from marketplace.wallet.gateway.booking import outcome_of
from marketplace.wallet.gateway.events import GatewayEvent
from marketplace.wallet.gateway.interface import gateway_named
from marketplace.wallet.gateway.models import EventOutcome, ProviderEvent

logger = logging.getLogger(__name__)

_LOCK_CLASS = 1_463_898_181
MOST_AT_ONCE = 500


def receive_webhook(*, provider: str, body: bytes, signature: str, at: datetime) -> ProviderEvent:
    """Keep a signed message and do what follows. The same message any number of times is one event.

    Raises: ProviderUnknown, SignatureRefused, EventUnreadable. Nothing is written when it raises.
    """
    return _keep(provider, gateway_named(provider).read_event(body, signature, at), body, at)


def keep_missed_events(*, provider: str, since: datetime, at: datetime) -> int:
    """Ask the provider what it told since then, and keep what never arrived. Returns how much that was.

    Raises: ProviderUnknown, ProviderRefused, GatewayUnreachable.
    """
    missed = 0
    # Stripe names the newest first; what follows on another is better told after it.
    for told, body in sorted(gateway_named(provider).events_since(since), key=lambda found: found[0].happened_at):
        if not ProviderEvent.objects.filter(provider=provider, event_id=told.event_id).exists():
            _keep(provider, told, body, at)
            missed += 1
    return missed


def _keep(provider: str, told: GatewayEvent, body: bytes, at: datetime) -> ProviderEvent:
    fields = {
        "type": told.type,
        "kind": told.kind,
        "reference": told.reference,
        "object_id": told.object_id,
        "payment_id": told.payment_id,
        # No payment of ours is larger than a column: such an amount fits nothing.
        "amount_micros": told.amount_micros if abs(told.amount_micros or 0) < 2**63 else None,
        "currency": told.currency,
        "body_sha256": sha256(body).digest(),
        "happened_at": told.happened_at,
        "received_at": at,
    }
    event, is_new = ProviderEvent.objects.get_or_create(provider=provider, event_id=told.event_id, defaults=fields)
    logger.info("provider_event.received", extra={"event_id": event.pk, "kind": event.kind, "is_new": is_new})
    _follow(event, at)
    return event


def follow_waiting_events(*, at: datetime) -> int:
    """Try again what waits. Returns how many events got their outcome.

    Where more wait than are tried at once, chance chooses, so that none hides behind others that wait for ever.
    """
    waiting = ProviderEvent.objects.waiting().order_by("?")[:MOST_AT_ONCE]
    return sum(_try(event, at) for event in sorted(waiting, key=lambda event: event.pk))


def _follow(event: ProviderEvent, at: datetime) -> None:
    _try(event, at)
    if event.payment_id:
        # What came too early can follow now.
        for other in ProviderEvent.objects.waiting().filter(provider=event.provider, payment_id=event.payment_id):
            _try(other, at)


def _try(event: ProviderEvent, at: datetime) -> bool:
    """Whatever goes wrong here is tried again by the sweep: the event itself is kept."""
    try:
        return _settle(event, at)
    except DatabaseError:
        logger.exception("provider_event.postponed", extra={"event_id": event.pk})
        return False


@transaction.atomic
def _settle(event: ProviderEvent, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, event.pk % 2**31])
    if EventOutcome.objects.filter(event=event).exists():
        return False
    outcome = outcome_of(event, at)
    if outcome is None:
        return False
    outcome.save(force_insert=True)
    log = logger.error if outcome.result == EventOutcome.Result.ALARM else logger.info
    log("provider_event.followed", extra={"event_id": event.pk, "result": str(outcome.result), "code": outcome.code})
    return True
