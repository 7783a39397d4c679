"""Withdraw, and give back what was paid for time that nobody can use: one transaction, all or nothing.

Consents and listings know nothing of purchases, so whoever withdraws calls these and not theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from ledger.entries import at_text
from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from marketplace.consents.standing import change_standing
from marketplace.listings.models import Listing
from marketplace.listings.services import withdraw_listing
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.escrow import Step
from marketplace.purchases.models import Purchase, PurchaseQuerySet, Refund
from marketplace.purchases.settling import Settlement, closing_step, refund_on_withdrawal, settle

# What buyers have promised by the licence: to delete what they loaded, from the withdrawal on.
DELETED_WITHIN = timedelta(days=30)


@transaction.atomic
def withdraw_consent_with_refunds(*, consent: Consent, at: datetime) -> Consent:
    """End a consent now and for good, refund what it cuts off, and release the rest to the seller.

    Whoever buys or reads under the consent is either before this or refused. Withdrawing again changes nothing.
    """
    # First of all locks: nobody buys under it or makes a token from here on.
    change_standing(consent.pk)
    is_first = Consent.objects.filter(pk=consent.pk, withdrawn_at=None).exists()
    withdrawn = withdraw_consent(consent=consent, at=at)
    if is_first:
        cut = Purchase.objects.filter(listing__consent=withdrawn)
        _cut_off(cut, reason=Refund.Reason.CONSENT_WITHDRAWN, at=at)
    return withdrawn


@transaction.atomic
def withdraw_listing_with_refunds(*, listing: Listing, at: datetime) -> Listing:
    """Stop selling and delivering a listing for good, refund what it cuts off, and release the rest to the seller.

    Withdrawing again changes nothing. Raises: ListingNotPublished.
    """
    change_standing(listing.consent_id)
    is_first = Listing.objects.filter(pk=listing.pk, withdrawn_at=None).exists()
    withdrawn = withdraw_listing(listing=listing, at=at)
    if is_first:
        cut = Purchase.objects.filter(listing=withdrawn)
        _cut_off(cut, reason=Refund.Reason.LISTING_WITHDRAWN, at=at)
    return withdrawn


@dataclass(frozen=True)
class MoneyOutlook:
    """What a withdrawal at this moment would do with what is on hold.

    refund_micros: back to buyers; release_micros: out to seller and market; disputed_micros: on hold until decided.
    """

    refund_micros: int
    release_micros: int
    disputed_micros: int


def money_outlook(purchases: PurchaseQuerySet, at: datetime) -> MoneyOutlook:
    held = list(purchases.holding().select_related("buyer", "plan", "listing__consent"))
    steps = [_last_step(purchase, at) for purchase in held]
    refund, released = sum(step.refund_micros for step in steps), sum(step.released_micros for step in steps)
    return MoneyOutlook(refund, released, sum(purchase.held_micros for purchase in held) - refund - released)


def _cut_off(purchases: PurchaseQuerySet, *, reason: Refund.Reason, at: datetime) -> None:
    """Settle all purchases for good. What an erased buyer would get back has nobody to go to: the seller keeps it."""
    is_cut = Q(access_until__gt=at) | Q(price_micros__gt=F("released_micros") + F("refunded_micros"))
    rows = purchases.filter(is_cut).select_related("buyer", "plan", "listing__seller", "listing__consent")
    locked = list(rows.select_for_update(of=("self",), no_key=True).order_by("pk"))
    settlements = [Settlement(one, _last_step(one, at)) for one in locked if one.held_micros]
    settle(settlements, reason=reason, at=at)
    refunds = {one.purchase.pk: one.step.refund_micros for one in settlements}
    notify_many([_notice(purchase, refunds.get(purchase.pk, 0), at) for purchase in locked])


def _notice(purchase: Purchase, refund_micros: int, at: datetime) -> NoticeDraft:
    """What was delivered before is the buyer's to delete, by a date."""
    facts: dict[str, str | int] = {
        "purchase": str(purchase.public_id),
        "title": purchase.listing.title,
        "delete_by": at_text(at + DELETED_WITHIN),
        "refund_micros": refund_micros,
        "currency": purchase.currency,
    }
    return NoticeDraft(purchase.buyer, NoticeKind.WITHDRAWAL, facts, at, purchase.public_id)


def _last_step(purchase: Purchase, at: datetime) -> Step:
    """Nothing is released while a dispute is open: its decision may give back more."""
    step = closing_step(purchase, 0 if purchase.buyer.erased_at else refund_on_withdrawal(purchase, at))
    return Step(refund_micros=step.refund_micros) if purchase.disputed_at else step
