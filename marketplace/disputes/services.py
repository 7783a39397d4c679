"""Open, answer, close and decide disputes. Each step is in the log, and the money follows in the same transaction."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from ledger.entries import at_text
from ledger.services import commit_subjects, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.disputes import entries, errors
from marketplace.disputes.models import Dispute
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import close_purchase, lock_purchase

logger = logging.getLogger(__name__)

LONGEST_TEXT = 4000
# Each one holds the seller's money up: who takes three back has had the chance to say what is wrong.
MOST_DISPUTES = 3


@transaction.atomic
def open_dispute(*, purchase: Purchase, reason: str, text: str, at: datetime) -> Dispute:
    """Say, as the buyer, that something is wrong. What is on hold is neither released nor refunded until it is decided.

    Raises: ReasonUnknown, TextMissing, TextTooLong, NothingToDispute, DisputeOpenAlready,
    TooManyDisputes. Nothing is written then.
    """
    if reason not in Dispute.Reason.values:
        raise errors.ReasonUnknown
    text = _checked(text)
    locked = lock_purchase(purchase)
    earlier = Dispute.objects.open().filter(purchase=locked).first()
    if earlier is not None:
        raise errors.DisputeOpenAlready(dispute=str(earlier.public_id))
    if not locked.held_micros:
        raise errors.NothingToDispute
    if locked.disputes.count() >= MOST_DISPUTES:
        raise errors.TooManyDisputes
    public_id = uuid4()
    dispute = Dispute.objects.create(
        public_id=public_id,
        purchase=locked,
        reason=reason,
        text=text,
        opened_at=at,
        entry_id=_record("opened", public_id, locked, at, reason=reason),
    )
    locked.disputed_at = at
    locked.save(update_fields=["disputed_at"])
    _tell(locked, "opened", at)
    return dispute


@transaction.atomic
def answer_dispute(*, dispute: Dispute, text: str, at: datetime) -> Dispute:
    """Say, as the owner, what there is to say about it; once. Raises: TextMissing, TextTooLong, DisputeEnded,
    AnsweredAlready.
    """
    text = _checked(text)
    hold_account(dispute.purchase.listing.seller)
    locked = _lock(dispute)
    if locked.answered_at is not None:
        raise errors.AnsweredAlready
    locked.answer, locked.answered_at = text, at
    locked.answer_entry_id = _record("answered", locked.public_id, locked.purchase, at)
    locked.save(update_fields=["answer", "answered_at", "answer_entry_id"])
    _tell(locked.purchase, "answered", at)
    return locked


@transaction.atomic
def close_dispute(*, dispute: Dispute, at: datetime) -> Dispute:
    """Take it back, as the buyer: the money goes its usual way again. Raises: DisputeEnded."""
    locked = _lock(dispute)
    locked.closed_at = at
    locked.closing_entry_id = _record("closed", locked.public_id, locked.purchase, at)
    locked.save(update_fields=["closed_at", "closing_entry_id"])
    purchase = locked.purchase
    purchase.disputed_at, purchase.release_due_at = None, at
    purchase.save(update_fields=["disputed_at", "release_due_at"])
    _tell(purchase, "closed", at)
    return locked


@transaction.atomic
def decide_dispute(
    *, dispute: Dispute, by: User, refund_micros: int, ends_access: bool, text: str, at: datetime
) -> Dispute:
    """Decide, as an operator: refund_micros of what is on hold goes back (0: nothing), the rest is released at once.

    ends_access: whether the purchase opens nothing from the next request on. text: why, for both sides.
    Raises: PartyDecides, TextMissing, TextTooLong, DisputeEnded, AnswerAwaited, RefundOutOfRange. Nothing is written
    when it raises.
    """
    text = _checked(text)
    locked = _lock(dispute)
    purchase = locked.purchase
    if by.pk in {purchase.buyer_id, purchase.listing.seller_id}:
        raise errors.PartyDecides
    if not locked.may_be_decided(at):
        raise errors.AnswerAwaited(until=at_text(locked.answer_due_at))
    if not 0 <= refund_micros <= purchase.held_micros:
        raise errors.RefundOutOfRange(held_micros=purchase.held_micros)
    locked.refund = close_purchase(
        purchase,
        refund_micros=refund_micros,
        reason=Refund.Reason.DISPUTE_DECIDED,
        ends_access=ends_access,
        at=at,
    )
    locked.ruling = Dispute.Ruling.REFUND if locked.refund else Dispute.Ruling.REJECT
    locked.ruling_text, locked.ends_access, locked.decided_at, locked.decided_by = text, ends_access, at, by
    locked.decision_entry_id = _record(
        "decided",
        locked.public_id,
        purchase,
        at,
        ends_access=ends_access,
        refund_micros=str(refund_micros),
        ruling=str(locked.ruling),
    )
    locked.save()
    _tell(purchase, "decided", at)
    return locked


def erase_disputes(*, user: User) -> None:
    """Forget what a person wrote. That there was a dispute, and how it ended, belongs to the books."""
    Dispute.objects.filter(purchase__buyer=user).update(text="")
    Dispute.objects.filter(purchase__listing__seller=user).update(answer="")


def _checked(text: str) -> str:
    text = text.strip()
    if not text:
        raise errors.TextMissing
    if len(text) > LONGEST_TEXT:
        raise errors.TextTooLong
    return text


def _lock(dispute: Dispute) -> Dispute:
    """Lock the purchase and then its dispute. Raises: DisputeEnded."""
    purchase = lock_purchase(dispute.purchase)
    locked = Dispute.objects.select_for_update(no_key=True).get(pk=dispute.pk)
    if not locked.is_open:
        raise errors.DisputeEnded
    locked.purchase = purchase
    return locked


def _record(step: str, dispute: UUID, purchase: Purchase, at: datetime, **more: str | bool) -> UUID:
    buyer, seller = purchase.buyer.public_id, purchase.listing.seller.public_id
    handles = commit_subjects(kind="person", subject_ids=[buyer, seller])
    body = entries.dispute_step(
        dispute=dispute, purchase=purchase.public_id, buyer=handles[buyer], seller=handles[seller], **more
    )
    refs = [str(dispute), str(purchase.public_id), str(purchase.listing.public_id)]
    logger.info("dispute.%s", step, extra={"dispute_id": dispute})
    return submit_entry(kind=f"dispute.{step}", body=body, key=dispute, at=at, refs=refs)


def _tell(purchase: Purchase, step: str, at: datetime) -> None:
    facts = {"purchase": str(purchase.public_id), "title": purchase.listing.title, "step": step}
    people = (purchase.buyer, purchase.listing.seller)
    notify_many([NoticeDraft(person, NoticeKind.DISPUTE, facts, at, purchase.public_id) for person in people])
