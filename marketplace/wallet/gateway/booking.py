"""What follows from one event of a provider. Runs in a transaction of its own, under a lock of the event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.services import hold_account
from marketplace.wallet.gateway.chargebacks import cover_debts
from marketplace.wallet.gateway.disputed import lost, refund_failed, refunded, taken_back, won
from marketplace.wallet.gateway.events import EventKind
from marketplace.wallet.gateway.models import EventOutcome, Payout, ProviderEvent
from marketplace.wallet.gateway.payouts import fail_payout, locked_payout, settle_payout
from marketplace.wallet.models import TopUp, Transfer
from marketplace.wallet.services import book_top_up, decline_top_up

Result = EventOutcome.Result


def outcome_of(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    """Return what followed, not saved yet; nothing when the event has to wait for another."""
    follow = _FOLLOW.get(EventKind(event.kind))
    return follow(event, at) if follow else _outcome(event, at, Result.NOTHING)


def _outcome(
    event: ProviderEvent, at: datetime, result: Result, code: str = "", transfer: Transfer | None = None
) -> EventOutcome:
    return EventOutcome(event=event, result=result, code=code, transfer=transfer, at=at)


def _paid(event: ProviderEvent, at: datetime) -> EventOutcome:
    """The one event that brings money, and only as much as was asked for."""
    top_up = _locked_top_up(event)
    if top_up is None:
        return _outcome(event, at, Result.ALARM, "payment_unknown")
    if event.currency != top_up.currency:
        return _outcome(event, at, Result.ALARM, "currency_differs")
    if event.amount_micros != top_up.amount_micros:
        return _outcome(event, at, Result.ALARM, "amount_differs")
    if top_up.state == TopUp.State.PAID:
        return _outcome(event, at, Result.NOTHING, "paid_before")
    # Also after a decline: the money did come.
    transfer = book_top_up(top_up, at=at)
    cover_debts(top_up.user, at=at)
    return _outcome(event, at, Result.BOOKED, transfer=transfer)


def _declined(event: ProviderEvent, at: datetime) -> EventOutcome:
    top_up = _locked_top_up(event)
    if top_up is None or top_up.state != TopUp.State.PENDING:
        return _outcome(event, at, Result.NOTHING, "settled_before")
    decline_top_up(top_up, at=at)
    return _outcome(event, at, Result.CLOSED)


def _locked_top_up(event: ProviderEvent) -> TopUp | None:
    if event.reference is None:
        return None
    top_ups = TopUp.objects.select_related("user").filter(provider=event.provider, public_id=event.reference)
    found = top_ups.first()
    if found is None:
        return None
    try:
        hold_account(found.user)
    except AccountErased:
        return None
    return top_ups.select_for_update(no_key=True, of=("self",)).first()


def _payout_paid(event: ProviderEvent, at: datetime) -> EventOutcome:
    payout = _locked_payout(event)
    if payout is None:
        return _outcome(event, at, Result.ALARM, "payout_unknown")
    if (event.amount_micros, event.currency) != (payout.amount_micros, payout.currency):
        return _outcome(event, at, Result.ALARM, "amount_differs")
    if payout.object_id not in {"", event.object_id}:
        return _outcome(event, at, Result.ALARM, "payout_differs")
    if payout.state == Payout.State.FAILED:
        return _outcome(event, at, Result.ALARM, "paid_after_failure")
    if payout.state == Payout.State.PAID:
        return _outcome(event, at, Result.NOTHING, "paid_before")
    settle_payout(payout, at=at)
    return _outcome(event, at, Result.CLOSED)


def _payout_failed(event: ProviderEvent, at: datetime) -> EventOutcome:
    """A bank may send money back days after it took it, so this also follows a payout that was paid."""
    payout = _locked_payout(event)
    if payout is None:
        return _outcome(event, at, Result.ALARM, "payout_unknown")
    if payout.state == Payout.State.FAILED:
        return _outcome(event, at, Result.NOTHING, "failed_before")
    fail_payout(payout, code=event.type, at=at)
    return _outcome(event, at, Result.CLOSED)


def _locked_payout(event: ProviderEvent) -> Payout | None:
    if event.reference is None:
        return None
    found = Payout.objects.filter(provider=event.provider, public_id=event.reference).first()
    return locked_payout(found.pk) if found else None


_FOLLOW: dict[EventKind, Callable[[ProviderEvent, datetime], EventOutcome | None]] = {
    EventKind.PAID: _paid,
    EventKind.DECLINED: _declined,
    EventKind.DISPUTE_OPENED: taken_back,
    EventKind.REFUNDED: refunded,
    EventKind.REFUND_FAILED: refund_failed,
    EventKind.DISPUTE_WON: won,
    EventKind.DISPUTE_LOST: lost,
    EventKind.PAYOUT_PAID: _payout_paid,
    EventKind.PAYOUT_FAILED: _payout_failed,
}
