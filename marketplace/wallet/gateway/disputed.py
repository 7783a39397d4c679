"""What follows when a provider says that money of a top-up was taken back, or given back to us.

A refund may be one that the person asked for here. It carries its public id; any other was made at the provider.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.services import hold_account
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.wallet.gateway.card_refunds import fail_card_refund, locked_card_refund, settle_card_refund
from marketplace.wallet.gateway.chargebacks import cover_debts, give_back
from marketplace.wallet.gateway.events import EventKind
from marketplace.wallet.gateway.models import CardRefund, Chargeback, EventOutcome, ProviderEvent
from marketplace.wallet.models import TopUp

Result = EventOutcome.Result


def refunded(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    refund = _locked_card_refund(event)
    if refund is None:
        return taken_back(event, at)
    if (event.amount_micros, event.currency) != (refund.amount_micros, refund.currency):
        return _outcome(event, at, Result.ALARM, "amount_differs")
    if refund.object_id not in {"", event.object_id}:
        return _outcome(event, at, Result.ALARM, "refund_differs")
    if refund.state == CardRefund.State.FAILED:
        return _outcome(event, at, Result.ALARM, "paid_after_failure")
    if refund.state == CardRefund.State.PAID:
        return _outcome(event, at, Result.NOTHING, "paid_before")
    settle_card_refund(refund, object_id=event.object_id, at=at)
    return _outcome(event, at, Result.CLOSED)


def refund_failed(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    """A bank may send money back days after it took it, so this also follows a refund that was paid."""
    refund = _locked_card_refund(event)
    if refund is None:
        return _foreign_refund_failed(event, at)
    if refund.object_id not in {"", event.object_id}:
        return _outcome(event, at, Result.ALARM, "refund_differs")
    if refund.state == CardRefund.State.FAILED:
        return _outcome(event, at, Result.NOTHING, "failed_before")
    try:
        hold_account(refund.user)
    except AccountErased:
        return _outcome(event, at, Result.ALARM, "account_erased")
    outcome = _outcome(event, at, Result.BOOKED)
    outcome.transfer = fail_card_refund(refund, code=event.type, at=at)
    return outcome


def _foreign_refund_failed(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    """One that never took anything is nothing to us; if it is told of later than its failure, it takes nothing then."""
    # Whichever is told second sees the first.
    _locked_top_up(event)
    if not Chargeback.objects.filter(provider=event.provider, object_id=event.object_id).exists():
        return _outcome(event, at, Result.NOTHING, "refund_unknown")
    return won(event, at)


def _locked_card_refund(event: ProviderEvent) -> CardRefund | None:
    if event.reference is None:
        return None
    found = CardRefund.objects.filter(provider=event.provider, public_id=event.reference).first()
    return locked_card_refund(found.pk) if found else None


def taken_back(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    """A dispute or a refund may be told before the payment is: then it waits."""
    top_up = _locked_top_up(event)
    if top_up is None or top_up.state != TopUp.State.PAID:
        return None
    if Chargeback.objects.filter(provider=event.provider, object_id=event.object_id).exists():
        return _outcome(event, at, Result.NOTHING, "taken_before")
    if event.kind == EventKind.REFUNDED and _has_failed(event):
        return _outcome(event, at, Result.NOTHING, "failed_before")
    code = _misfit(event, top_up)
    if code or event.amount_micros is None:
        return _outcome(event, at, Result.ALARM, code or "amount_differs")
    reason = Chargeback.Reason.REFUND if event.kind == EventKind.REFUNDED else Chargeback.Reason.DISPUTE
    Chargeback.objects.create(
        provider=event.provider,
        object_id=event.object_id,
        top_up=top_up,
        reason=reason,
        state=Chargeback.State.LOST if reason == Chargeback.Reason.REFUND else Chargeback.State.OPEN,
        amount_micros=event.amount_micros,
        currency=event.currency,
        opened_at=at,
    )
    facts = {"purchase": "", "title": "", "reason": "charged_back"}
    notify(user=top_up.user, kind=NoticeKind.PAYMENT_FAILURE, facts=facts, at=at, reference=top_up.public_id)
    transfer = cover_debts(top_up.user, at=at)
    outcome = _outcome(event, at, Result.BOOKED if transfer else Result.CLOSED, "" if transfer else "owed")
    outcome.transfer = transfer
    return outcome


def _has_failed(refund: ProviderEvent) -> bool:
    told = ProviderEvent.objects.filter(provider=refund.provider, object_id=refund.object_id)
    return told.filter(kind=EventKind.REFUND_FAILED).exists()


def _misfit(event: ProviderEvent, top_up: TopUp) -> str:
    if event.currency != top_up.currency:
        return "currency_differs"
    open_ones = top_up.chargebacks.exclude(state=Chargeback.State.WON)
    before = open_ones.aggregate(total=Sum("amount_micros"))["total"] or 0
    # What was only asked for may still be refused, because of this very dispute.
    gone = top_up.card_refunds.filter(state__in=[CardRefund.State.SENT, CardRefund.State.PAID])
    before += gone.aggregate(total=Sum("amount_micros"))["total"] or 0
    is_possible = event.amount_micros is not None and 0 < event.amount_micros <= top_up.amount_micros - before
    return "" if is_possible else "more_than_paid"


def won(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    chargeback = _locked_chargeback(event)
    if chargeback is None:
        return None
    if chargeback.state == Chargeback.State.WON:
        return _outcome(event, at, Result.NOTHING, "won_before")
    transfer = give_back(chargeback, at=at)
    outcome = _outcome(event, at, Result.BOOKED if transfer else Result.CLOSED)
    outcome.transfer = transfer
    return outcome


def lost(event: ProviderEvent, at: datetime) -> EventOutcome | None:
    chargeback = _locked_chargeback(event)
    if chargeback is None:
        return None
    if chargeback.state == Chargeback.State.WON:
        return _outcome(event, at, Result.ALARM, "lost_after_won")
    chargeback.state, chargeback.closed_at = Chargeback.State.LOST, at
    chargeback.save(update_fields=["state", "closed_at"])
    return _outcome(event, at, Result.CLOSED)


def _outcome(event: ProviderEvent, at: datetime, result: Result, code: str = "") -> EventOutcome:
    return EventOutcome(event=event, result=result, code=code, at=at)


def _locked_top_up(event: ProviderEvent) -> TopUp | None:
    """By our reference, or by the payment, which the message that it is paid named beside our reference."""
    reference = event.reference
    if reference is None and event.payment_id:
        told = ProviderEvent.objects.filter(provider=event.provider, payment_id=event.payment_id, kind=EventKind.PAID)
        reference = told.exclude(reference=None).values_list("reference", flat=True).first()
    if reference is None:
        return None
    top_ups = TopUp.objects.select_related("user").filter(provider=event.provider, public_id=reference)
    return top_ups.select_for_update(no_key=True, of=("self",)).first()


def _locked_chargeback(event: ProviderEvent) -> Chargeback | None:
    found = Chargeback.objects.select_related("top_up__user").filter(provider=event.provider, object_id=event.object_id)
    return found.select_for_update(no_key=True, of=("self",)).first()
