"""What Stripe's webhooks say, in our own words. Pure.

Only the fields that move money are read; names, mails and cards in them are left behind.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from marketplace.wallet.gateway.events import EventKind, GatewayEvent
from marketplace.wallet.units import MICROS_PER_CENT

_KINDS = {
    "checkout.session.expired": EventKind.DECLINED,
    "checkout.session.async_payment_succeeded": EventKind.PAID,
    "checkout.session.async_payment_failed": EventKind.DECLINED,
    "charge.dispute.funds_withdrawn": EventKind.DISPUTE_OPENED,
    "charge.dispute.funds_reinstated": EventKind.DISPUTE_WON,
    "charge.dispute.closed": EventKind.DISPUTE_LOST,
    "refund.created": EventKind.REFUNDED,
    "refund.updated": EventKind.REFUNDED,
    "refund.failed": EventKind.REFUND_FAILED,
    "payout.paid": EventKind.PAYOUT_PAID,
    "payout.failed": EventKind.PAYOUT_FAILED,
    "payout.canceled": EventKind.PAYOUT_FAILED,
    "account.updated": EventKind.PAYEE_CHANGED,
}


class _Inside(msgspec.Struct):
    object: dict[str, Any]


class _Event(msgspec.Struct):
    """account: of a seller, for what happened there and not with us."""

    id: str
    type: str
    created: int
    data: _Inside
    account: str | None = None


def read_event(body: bytes) -> GatewayEvent | None:
    """Return what the message says; nothing when it is no event of Stripe's."""
    try:
        event = msgspec.json.decode(body, type=_Event)
        happened_at = datetime.fromtimestamp(event.created, UTC)
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError):
        return None
    about = event.data.object
    amount = about.get("amount_total", about.get("amount"))
    payment = about.get("payment_intent")
    return GatewayEvent(
        event_id=event.id[:255],
        type=event.type[:100],
        kind=_kind(event, about),
        happened_at=happened_at,
        reference=_reference(about),
        object_id=_text(about.get("id")),
        payment_id=_text(payment.get("id") if isinstance(payment, dict) else payment),
        amount_micros=amount * MICROS_PER_CENT if type(amount) is int and 0 <= amount < 2**40 else None,
        currency=_text(about.get("currency"))[:3].upper(),
    )


# What a seller's own account may tell us. What else happens there is not our money, whatever it refers to.
_OF_SELLERS = {EventKind.PAYOUT_PAID, EventKind.PAYOUT_FAILED, EventKind.PAYEE_CHANGED}


def _kind(event: _Event, about: dict[str, Any]) -> EventKind:
    kind = _kind_of_type(event.type, about)
    if (kind in _OF_SELLERS) != (event.account is not None):
        return EventKind.OTHER
    # A seller's account may also pay out by itself.
    is_ours = kind == EventKind.PAYEE_CHANGED or kind not in _OF_SELLERS or _reference(about) is not None
    return kind if is_ours else EventKind.OTHER


def _kind_of_type(kind: str, about: dict[str, Any]) -> EventKind:
    """A checkout that is completed need not be paid, a dispute that is closed need not be lost."""
    if kind == "checkout.session.completed":
        return EventKind.PAID if about.get("payment_status") == "paid" else EventKind.OTHER
    if kind == "charge.dispute.closed" and about.get("status") != "lost":
        return EventKind.OTHER
    if kind in {"refund.created", "refund.updated"} and about.get("status") != "succeeded":
        return EventKind.REFUND_FAILED if about.get("status") in {"failed", "canceled"} else EventKind.OTHER
    return _KINDS.get(kind, EventKind.OTHER)


def _reference(about: dict[str, Any]) -> UUID | None:
    metadata = about.get("metadata")
    told = about.get("client_reference_id") or (metadata.get("reference") if isinstance(metadata, dict) else None)
    try:
        return UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None


def _text(value: object) -> str:
    return value[:255] if isinstance(value, str) else ""
