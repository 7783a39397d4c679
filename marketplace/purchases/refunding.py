"""Give back money that is still in the seller's escrow: the buyer asks, nothing came, or a dispute was decided."""

from datetime import datetime

from django.db import transaction

from ledger.entries import at_text
from marketplace.accounts.services import hold_account
from marketplace.listings.models import Plan
from marketplace.listings.services import share_terms
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.settling import Settlement, closing_step, refund_on_withdrawal, refund_window, settle
from marketplace.purchases.windows import LONGEST_CLOCK_WAIT


@transaction.atomic
def refund_on_request(*, purchase: Purchase, at: datetime) -> Refund:
    """Give the whole price back to a buyer who asks in time and has loaded nothing. Access ends with it.

    Once the owner has narrowed the consent, a buyer of before gets what a withdrawal would give.
    Raises: NothingToRefund (also the second time), PurchaseDisputed, AlreadyDelivered, RefundTooLate.
    """
    locked = lock_purchase(purchase)
    obstacle = obstacle_to_refund(locked, at)
    if obstacle is not None:
        raise obstacle
    if _may_rethink(locked, at):
        return _give_back(locked, locked.held_micros, Refund.Reason.ON_REQUEST, at)
    return _give_back(locked, refund_after_narrowing(locked, at), Refund.Reason.CONSENT_NARROWED, at)


@transaction.atomic
def refund_undelivered(*, purchase: Purchase, at: datetime) -> Refund | None:
    """Give the whole price back because nothing came. None where something came, or the money is gone, meanwhile."""
    locked = lock_purchase(purchase)
    if not locked.held_micros or locked.released_micros or locked.disputed_at or locked.clock_started_at:
        return None
    return _give_back(locked, locked.held_micros, Refund.Reason.NOT_DELIVERED, at)


def obstacle_to_refund(purchase: Purchase, at: datetime) -> errors.RefundRefused | None:
    """Why a buyer can't have the price back for the asking now; None when he can."""
    if not purchase.held_micros:
        return errors.NothingToRefund()
    if purchase.disputed_at is not None:
        return errors.PurchaseDisputed()
    if refund_after_narrowing(purchase, at):
        return None
    if purchase.clock_started_at is not None:
        return errors.AlreadyDelivered()
    until = may_return_until(purchase)
    return errors.RefundTooLate(until=at_text(until)) if at >= until else None


def may_return_until(purchase: Purchase) -> datetime:
    """A period that nobody loads begins by itself, and is used from then on."""
    wait = min(refund_window(), LONGEST_CLOCK_WAIT) if purchase.plan.kind == Plan.Kind.PERIOD else refund_window()
    return purchase.purchased_at + wait


def refund_for_asking(purchase: Purchase, at: datetime) -> int:
    """What a buyer gets who may ask for it now."""
    return purchase.held_micros if _may_rethink(purchase, at) else refund_after_narrowing(purchase, at)


def refund_after_narrowing(purchase: Purchase, at: datetime) -> int:
    """What a buyer of before gets who does not want the narrower terms; 0 where there is nothing to get."""
    narrowed_at = purchase.listing.consent.narrowed_at
    if narrowed_at is None or narrowed_at <= purchase.purchased_at:
        return 0
    return min(purchase.held_micros, refund_on_withdrawal(purchase, at))


def _may_rethink(purchase: Purchase, at: datetime) -> bool:
    """Whether nothing was loaded yet and the time to think is not over."""
    return purchase.clock_started_at is None and at < may_return_until(purchase)


def lock_purchase(purchase: Purchase) -> Purchase:
    """Hold the buyer's account, hold off withdrawals and new tokens, and return the purchase as it is now."""
    hold_account(purchase.buyer)
    share_terms(purchase.listing)
    rows = Purchase.objects.select_related("buyer", "plan", "listing__seller", "listing__consent")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=purchase.pk)


def close_purchase(
    purchase: Purchase, *, refund_micros: int, reason: Refund.Reason, ends_access: bool, at: datetime
) -> Refund | None:
    """Settle a locked purchase for good: refund this much of what is on hold, release the rest. Returns the refund.

    Raises: NothingToRefund when less is on hold.
    """
    if refund_micros > purchase.held_micros:
        raise errors.NothingToRefund(held_micros=purchase.held_micros)
    made = settle([Settlement(purchase, closing_step(purchase, refund_micros))], reason=reason, at=at)
    purchase.refresh_from_db(fields=["released_micros", "refunded_micros", "release_due_at"])
    if ends_access:
        purchase.ended_at = at
    purchase.disputed_at = None
    purchase.save(update_fields=["ended_at", "disputed_at"])
    for refund in made:
        notify(
            user=purchase.buyer,
            kind=NoticeKind.REFUND,
            facts={
                "purchase": str(purchase.public_id),
                "title": purchase.listing.title,
                "refund_micros": refund.amount_micros,
                "currency": purchase.currency,
                "reason": str(reason),
            },
            at=at,
            reference=refund.public_id,
        )
    return made[0] if made else None


def _give_back(purchase: Purchase, refund_micros: int, reason: Refund.Reason, at: datetime) -> Refund:
    refund = close_purchase(purchase, refund_micros=refund_micros, reason=reason, ends_access=True, at=at)
    assert refund is not None  # Something was on hold.
    return refund
