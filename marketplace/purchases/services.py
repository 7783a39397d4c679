"""Buy. The sale, the money and the log record are written in one transaction, or none of them."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction

from ledger.entries import at_text
from ledger.services import commit_subjects, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.consents.models import Consent
from marketplace.listings.errors import PlanOutlivesConsent
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import share_terms
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases import entries
from marketplace.purchases.errors import (
    AlreadyPurchased,
    BuyerNotAllowed,
    ListingNotForSale,
    OwnListing,
    PlanNotOffered,
    PriceChanged,
    RequestRepeated,
)
from marketplace.purchases.models import Purchase
from marketplace.purchases.pricing import Quote, quote
from marketplace.purchases.refunding import (
    close_purchase,
    lock_purchase,
    obstacle_to_refund,
    refund_on_request,
    refund_undelivered,
)
from marketplace.purchases.settling import first_release_at, paid_term, refund_window, release_earnings
from marketplace.purchases.withdrawing import withdraw_consent_with_refunds, withdraw_listing_with_refunds
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import accounts_of, post_transfer

__all__ = [
    "Window",
    "buy_listing",
    "close_purchase",
    "erase_request_keys",
    "lock_purchase",
    "lock_purchases",
    "obstacle_to_refund",
    "paid_term",
    "refund_on_request",
    "refund_undelivered",
    "refund_window",
    "release_earnings",
    "start_clock",
    "window_of",
    "withdraw_consent_with_refunds",
    "withdraw_listing_with_refunds",
]

logger = logging.getLogger(__name__)

HISTORY_ACCESS = timedelta(days=365)
ACCESS_AFTER_PERIOD = timedelta(days=30)
TOO_LONG_TO_BUY = "The owner’s consent ends before this plan would. Choose a shorter plan, or another listing."


@dataclass(frozen=True)
class Window:
    """Which data a purchase opens (starts_at None: from the first reading on), and until when it may be fetched."""

    starts_at: datetime | None
    ends_at: datetime
    access_until: datetime


@transaction.atomic
def buy_listing(
    *,
    listing: Listing,
    plan: Plan,
    buyer: User,
    quoted_micros: int,
    at: datetime,
    idempotency_key: UUID | None = None,
) -> Purchase:
    """Buy one plan of a listing at the price that the buyer was shown.

    quoted_micros: that price, all fees included, in millionths of the plan's currency unit.
    at: the moment of the click, UTC.
    idempotency_key: a repeat with the buyer's same key returns the purchase that was made then and moves no money.
    Raises: ListingNotForSale, OwnListing, BuyerNotAllowed, PlanNotOffered, listings.errors.PlanOutlivesConsent,
    PriceChanged, AlreadyPurchased, RequestRepeated, wallet.errors.InsufficientFunds. Nothing is written when it raises.

    Locks, in this order: the buyer's account, shared; the request's key; the buyer's taking of a free plan; the listing
    and its consent, shared, so that buyers do not wait for each other while a withdrawal waits for them or they for it;
    the two commitment secrets; the buyer's wallet, last because it is held until the commit.
    """
    hold_account(buyer)
    if idempotency_key is not None:
        earlier = _find_earlier(buyer, idempotency_key)
        if earlier is not None:
            if (earlier.listing_id, earlier.plan_id, earlier.price_micros) != (listing.pk, plan.pk, quoted_micros):
                raise RequestRepeated
            return earlier
    if plan.kind == Plan.Kind.FREE:
        _wait_for(f"free {buyer.pk} {plan.pk}")
    listing = _lock_for_sale(listing, at)
    plan = _check_offer(listing, plan, buyer, quoted_micros, at)
    if plan.kind == Plan.Kind.FREE:
        _check_not_taken(plan, buyer, at)
    return _record_purchase(listing, plan, buyer, at, idempotency_key)


def start_clock(*, purchase: Purchase, at: datetime) -> bool:
    """Note the first successful delivery and tell the seller; later ones change nothing.

    False when a refund came before: deliver nothing.
    Of a refund on request and a first delivery at once, one waits for the other here and then gives way.
    """
    return purchase.clock_started_at is not None or _start_clock(purchase, at)


@transaction.atomic
def _start_clock(purchase: Purchase, at: datetime) -> bool:
    fresh = Purchase.objects.filter(pk=purchase.pk, clock_started_at=None, ended_at=None)
    if not fresh.update(clock_started_at=at):
        return not Purchase.objects.filter(pk=purchase.pk, ended_at__isnull=False).exists()
    purchase.clock_started_at = at
    facts = {"purchase": str(purchase.public_id), "title": purchase.listing.title}
    seller = purchase.listing.seller
    notify(user=seller, kind=NoticeKind.FIRST_READ, facts=facts, at=at, reference=purchase.public_id)
    return True


def lock_purchases(*, buyer: User) -> list[Purchase]:
    """Hold off new tokens of everything that a person bought until the running transaction ends."""
    own = Purchase.objects.for_buyer(buyer).select_related("listing")
    return list(own.select_for_update(of=("self",), no_key=True).order_by("pk"))


def erase_request_keys(*, buyer: User) -> None:
    """Forget the keys that the buyer's programs gave to requests. The purchases themselves belong to the books."""
    Purchase.objects.for_buyer(buyer).update(idempotency_key=None)


def _find_earlier(buyer: User, key: UUID) -> Purchase | None:
    """Wait for a request with the same key that is under way, then look for what it made."""
    _wait_for(f"purchase {buyer.pk} {key}")
    return Purchase.objects.for_buyer(buyer).filter(idempotency_key=key).first()


def _wait_for(name: str) -> None:
    """Let transactions that wait for the same name go one after another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def _lock_for_sale(listing: Listing, at: datetime) -> Listing:
    """Hold off withdrawals, then read the listing anew."""
    share_terms(listing)
    fresh = Listing.objects.live_at(at).select_related("consent", "seller").filter(pk=listing.pk).first()
    # A withdrawal that was committed first wins, even when it was asked for after this click.
    if fresh is None or fresh.consent.withdrawn_at is not None:
        raise ListingNotForSale
    return fresh


def _check_offer(listing: Listing, plan: Plan, buyer: User, quoted_micros: int, at: datetime) -> Plan:
    if listing.seller_id == buyer.pk:
        raise OwnListing
    if not Listing.objects.open_to(buyer).filter(pk=listing.pk).exists():
        raise BuyerNotAllowed
    offered = Plan.objects.filter(listing=listing, pk=plan.pk).first()
    if offered is None:
        raise PlanNotOffered
    if not offered.is_served_within(listing.consent, at):
        raise PlanOutlivesConsent(TOO_LONG_TO_BUY, valid_until=at_text(listing.consent.valid_until))
    if offered.price_micros != quoted_micros:
        raise PriceChanged(quoted_micros=quoted_micros, price_micros=offered.price_micros, currency=offered.currency)
    return offered


def _check_not_taken(plan: Plan, buyer: User, at: datetime) -> None:
    """What costs nothing could else be repeated without end, and each purchase is an entry in the log."""
    earlier = Purchase.objects.for_buyer(buyer).taken_free(plan, at).first()
    if earlier is not None:
        raise AlreadyPurchased(purchase=str(earlier.public_id))


def window_of(plan: Plan, consent: Consent, at: datetime) -> Window:
    """Return what buying a plan at a moment opens. No access outlasts the consent, whatever the plan says.

    After a period one has ACCESS_AFTER_PERIOD to load its last reading, counted from when its delay is over.
    """
    ends_at = plan.readings_until(at)
    if plan.kind == Plan.Kind.PERIOD:
        delivered_at = ends_at + timedelta(seconds=consent.delay_seconds)
        return Window(at, ends_at, min(delivered_at + ACCESS_AFTER_PERIOD, consent.valid_until))
    return Window(None, ends_at, min(at + HISTORY_ACCESS, consent.valid_until))


def _record_purchase(listing: Listing, plan: Plan, buyer: User, at: datetime, key: UUID | None) -> Purchase:
    public_id = uuid4()
    price = quote(plan.price_micros, settings.MARKET_FEE_BASIS_POINTS)
    window = window_of(plan, listing.consent, at)
    entry_id = _submit_record(public_id, listing, plan, buyer, price=price, window=window, at=at)
    _tell_seller(public_id, listing, price, at)
    purchase = Purchase.objects.create(
        public_id=public_id,
        listing=listing,
        plan=plan,
        buyer=buyer,
        price_micros=price.total_micros,
        fee_micros=price.fee_micros,
        seller_micros=price.seller_micros,
        currency=plan.currency,
        purchased_at=at,
        window_from=window.starts_at,
        window_until=window.ends_at,
        access_until=window.access_until,
        transfer=_pay(public_id, listing, buyer, price, at) if price.total_micros else None,
        entry_id=entry_id,
        idempotency_key=key,
        release_due_at=first_release_at(plan, at) if price.total_micros else None,
    )
    logger.info("purchase.made", extra={"purchase_id": str(public_id), "entry_id": str(entry_id)})
    return purchase


def _tell_seller(public_id: UUID, listing: Listing, price: Quote, at: datetime) -> None:
    facts: dict[str, str | int] = {
        "purchase": str(public_id),
        "listing": str(listing.public_id),
        "title": listing.title,
        "price_micros": price.total_micros,
        "currency": settings.MARKET_CURRENCY,
    }
    notify(user=listing.seller, kind=NoticeKind.SALE, facts=facts, at=at, reference=public_id)


def _submit_record(
    public_id: UUID, listing: Listing, plan: Plan, buyer: User, *, price: Quote, window: Window, at: datetime
) -> UUID:
    handles = commit_subjects(kind="person", subject_ids=[buyer.public_id, listing.seller.public_id])
    body = entries.purchase_recorded(
        purchase=public_id,
        listing=listing.public_id,
        consent=listing.consent.public_id,
        plan=plan.public_id,
        plan_kind=plan.kind,
        buyer=handles[buyer.public_id],
        seller=handles[listing.seller.public_id],
        price=price,
        currency=plan.currency,
        window_from=window.starts_at,
        window_until=window.ends_at,
        access_until=window.access_until,
    )
    refs = [str(public_id), str(listing.public_id), str(listing.consent.public_id)]
    return submit_entry(kind="purchase.recorded", body=body, key=public_id, at=at, refs=refs)


def _pay(public_id: UUID, listing: Listing, buyer: User, price: Quote, at: datetime) -> Transfer:
    """The whole price waits in the seller's escrow: see purchases/settling.py for the ways out of it."""
    wallet, escrow = accounts_of(owned=[(buyer, Account.Kind.WALLET), (listing.seller, Account.Kind.ESCROW)])
    return post_transfer(
        idempotency_key=public_id,
        kind=Transfer.Kind.PURCHASE,
        postings=[(wallet, -price.total_micros), (escrow, price.total_micros)],
        reference=public_id,
        at=at,
    )
