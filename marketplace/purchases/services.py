"""Buy. The sale, the money and the log record are written in one transaction, or none of them."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from ledger.entries import at_text
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.listings.errors import PlanOutlivesConsent, PlanRetired
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import share_terms
from marketplace.purchases.books import check_books
from marketplace.purchases.clock import latest_access, start_clock, start_due_clocks
from marketplace.purchases.errors import (
    AlreadyPurchased,
    BuyerNotAllowed,
    ListingNotForSale,
    OfferExpired,
    OwnListing,
    PlanNotOffered,
    PriceChanged,
    RequestRepeated,
    TrialTaken,
    UsedThisMonth,
)
from marketplace.purchases.models import Purchase, UsageMonth
from marketplace.purchases.narrowing import narrow_consent_and_tell
from marketplace.purchases.recording import Charge, record_charge
from marketplace.purchases.refunding import (
    close_purchase,
    lock_purchase,
    may_return_until,
    obstacle_to_refund,
    refund_for_asking,
    refund_on_request,
    refund_undelivered,
)
from marketplace.purchases.renewing import renew_due, set_renewal
from marketplace.purchases.repricing import reprice_and_tell
from marketplace.purchases.reserving import (
    may_take_back_micros,
    missing_micros,
    sold_use_micros,
    spendable_micros,
    take_back_top_up,
    take_turn,
    used_micros,
)
from marketplace.purchases.settling import paid_term, refund_window, release_earnings, whole_of
from marketplace.purchases.taxing import tax_of_buyer
from marketplace.purchases.turns import wait_for
from marketplace.purchases.usage import (
    Usage,
    bill_usage,
    count_rows,
    is_counted,
    narrow_trial,
    open_month,
    set_cap,
    stop_metered,
    usage_now,
    usages_now,
)
from marketplace.purchases.windows import (
    ACCESS_AFTER_PERIOD,
    HISTORY_ACCESS,
    LONGEST_CLOCK_WAIT,
    TRIAL_ACCESS,
    Window,
    window_of,
)
from marketplace.purchases.withdrawing import (
    DELETED_WITHIN,
    money_outlook,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.wallet.gateway.services import refuse_while_owing

__all__ = [
    "ACCESS_AFTER_PERIOD",
    "DELETED_WITHIN",
    "HISTORY_ACCESS",
    "LONGEST_CLOCK_WAIT",
    "TAKEN_ONCE",
    "TRIAL_ACCESS",
    "Usage",
    "Window",
    "bill_usage",
    "buy_listing",
    "check_books",
    "close_purchase",
    "count_rows",
    "erase_request_keys",
    "is_counted",
    "latest_access",
    "lock_purchase",
    "lock_purchases",
    "may_return_until",
    "may_take_back_micros",
    "missing_micros",
    "money_outlook",
    "narrow_consent_and_tell",
    "narrow_trial",
    "obstacle_to_refund",
    "paid_term",
    "refund_for_asking",
    "refund_on_request",
    "refund_undelivered",
    "refund_window",
    "release_earnings",
    "renew_due",
    "reprice_and_tell",
    "set_cap",
    "set_renewal",
    "sold_use_micros",
    "spendable_micros",
    "start_clock",
    "start_due_clocks",
    "stop_metered",
    "take_back_top_up",
    "take_turn",
    "tax_of_buyer",
    "usage_now",
    "usages_now",
    "used_micros",
    "whole_of",
    "window_of",
    "withdraw_consent_with_refunds",
    "withdraw_listing_with_refunds",
]

# Plans that cost nothing at once: a buyer has one at a time.
TAKEN_ONCE = (Plan.Kind.FREE, Plan.Kind.METERED)
TOO_LONG_TO_BUY = "The owner’s consent ends before this plan would. Choose a shorter plan, or another listing."


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
    PriceChanged, listings.errors.PlanRetired, OfferExpired, AlreadyPurchased, TrialTaken, UsedThisMonth,
    RequestRepeated, wallet.errors.InsufficientFunds, AccountHeld. Nothing is written when it raises.

    Locks, in this order: the buyer's account, shared; the request's key; the buyer's taking of a plan that is had once;
    the listing and its consent, shared, so that buyers do not wait for each other while a withdrawal waits for them or
    they for it; the two commitment secrets; the buyer's wallet, last because it is held until the commit.
    """
    hold_account(buyer)
    if idempotency_key is not None:
        earlier = _find_earlier(buyer, idempotency_key)
        if earlier is not None:
            if (earlier.listing_id, earlier.plan_id, earlier.price_micros) != (listing.pk, plan.pk, quoted_micros):
                raise RequestRepeated
            return earlier
    refuse_while_owing(buyer)
    if plan.kind in TAKEN_ONCE or plan.kind == Plan.Kind.TRIAL:
        wait_for(f"{plan.kind} {buyer.pk} {listing.pk}")
    listing = _lock_for_sale(listing, at)
    plan = _check_offer(listing, plan, buyer, quoted_micros, at)
    _check_not_taken(plan, buyer, at)
    charge = Charge(listing, plan, buyer, plan.price_micros, window_of(plan, listing.consent, at))
    purchase = record_charge(charge, at=at, idempotency_key=idempotency_key)
    if plan.kind == Plan.Kind.METERED:
        open_month(purchase, plan, at)
    return purchase


def lock_purchases(*, buyer: User) -> list[Purchase]:
    """Hold off new tokens of everything that a person bought until the running transaction ends."""
    own = Purchase.objects.for_buyer(buyer).select_related("listing")
    return list(own.select_for_update(of=("self",), no_key=True).order_by("pk"))


def erase_request_keys(*, buyer: User) -> None:
    """Forget the keys that the buyer's programs gave to requests. The purchases themselves belong to the books."""
    Purchase.objects.for_buyer(buyer).update(idempotency_key=None)


def _find_earlier(buyer: User, key: UUID) -> Purchase | None:
    """Wait for a request with the same key that is under way, then look for what it made."""
    wait_for(f"purchase {buyer.pk} {key}")
    return Purchase.objects.for_buyer(buyer).filter(idempotency_key=key).first()


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
    # An offer to somebody else is, for everybody else, not there.
    if offered is None or (offered.offered_email and offered.offered_email not in buyer.verified_addresses()):
        raise PlanNotOffered
    if offered.retired_at is not None:
        raise _refusal_of_retired(offered, quoted_micros)
    if offered.offer_until is not None and offered.offer_until <= at:
        raise OfferExpired
    if not offered.is_served_within(listing.consent, at):
        raise PlanOutlivesConsent(TOO_LONG_TO_BUY, valid_until=at_text(listing.consent.valid_until))
    if offered.price_micros != quoted_micros:
        raise PriceChanged(quoted_micros=quoted_micros, price_micros=offered.price_micros, currency=offered.currency)
    return offered


def _refusal_of_retired(plan: Plan, quoted_micros: int) -> PriceChanged | PlanRetired:
    latest = plan.latest_version()
    if latest.retired_at is not None:
        return PlanRetired()
    return PriceChanged(quoted_micros=quoted_micros, price_micros=latest.price_micros, currency=latest.currency)


def _check_not_taken(plan: Plan, buyer: User, at: datetime) -> None:
    """What costs nothing at once could else be repeated without end, and each purchase is an entry in the log."""
    own = Purchase.objects.for_buyer(buyer)
    if plan.kind == Plan.Kind.TRIAL:
        earlier = own.trials(plan.listing).first()
        if earlier is not None:
            raise TrialTaken(purchase=str(earlier.public_id))
    if plan.kind in TAKEN_ONCE:
        earlier = own.taken(plan, at).first()
        if earlier is not None:
            raise AlreadyPurchased(purchase=str(earlier.public_id))
    if plan.kind == Plan.Kind.METERED:
        # Its free rows and its cap are a month's, however often one stops and starts.
        month = UsageMonth.objects.filter(purchase__buyer=buyer, purchase__listing=plan.listing, ends_at__gt=at).first()
        if month is not None:
            raise UsedThisMonth(again_from=at_text(month.ends_at))
