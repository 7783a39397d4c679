"""What pages show of disputes: where each stands, and its steps with their records."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from marketplace.accounts.models import User
from marketplace.disputes.models import Dispute
from marketplace.web.formats import money_text
from marketplace.web.records import event, newest_first, seals_of
from marketplace.web.seals import Seal


def dispute_state(dispute: Dispute, at: datetime) -> str:
    """One short phrase for a tag."""
    if dispute.closed_at is not None:
        return "closed by the buyer"
    if dispute.decided_at is not None:
        return "decided: refund" if dispute.refund_id else "decided: no refund"
    if dispute.may_be_decided(at):
        return "an operator decides"
    return "the owner answers next"


def dispute_timeline(dispute: Dispute) -> list[dict[str, Any]]:
    """Every step, newest first, with what was said and its record."""
    ids = (dispute.entry_id, dispute.answer_entry_id, dispute.closing_entry_id, dispute.decision_entry_id)
    seals = seals_of(ids)
    said = f"{dispute.get_reason_display()}. {dispute.text}".strip()
    events = [event("The buyer opened the dispute", dispute.opened_at, note=said, seal=seals.get(dispute.entry_id))]
    if dispute.answered_at is not None:
        seal = seals.get(dispute.answer_entry_id)
        events.append(event("The owner answered", dispute.answered_at, note=dispute.answer, seal=seal))
    if dispute.closed_at is not None:
        seal = seals.get(dispute.closing_entry_id)
        events.append(event("The buyer closed it", dispute.closed_at, seal=seal))
    if dispute.decided_at is not None:
        seal = seals.get(dispute.decision_entry_id)
        note = f"{outcome_of(dispute)} {dispute.ruling_text}"
        events.append(event("An operator decided", dispute.decided_at, note=note, seal=seal))
    return newest_first(events)


def outcome_of(dispute: Dispute) -> str:
    refund = dispute.refund
    if refund is None:
        return "Nothing goes back." + (" Access ends." if dispute.ends_access else "")
    back = money_text(refund.amount_micros, dispute.purchase.currency)
    return f"{back} went back to the buyer, and access {'ended' if dispute.ends_access else 'goes on'}."


def dispute_rows(
    disputes: Sequence[Dispute], user: User, seals: Mapping[UUID | None, Seal], at: datetime
) -> list[dict[str, Any]]:
    return [
        {
            "dispute": dispute,
            "title": dispute.purchase.listing.title,
            "side": "you bought it" if dispute.purchase.buyer_id == user.pk else "you sell it",
            "state": dispute_state(dispute, at),
            "seal": seals[dispute.entry_id],
        }
        for dispute in disputes
    ]
