"""Renew what renews, at the end of each term, from the buyer's wallet, at what the plan costs by then.

Every renewal is a purchase of its own with its own price and record; it continues the first one, whose tokens go on.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import DurationField, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Least

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.services import hold_account
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import share_terms
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases.errors import NotRenewing
from marketplace.purchases.models import Purchase, PurchaseChange
from marketplace.purchases.recording import Charge, record_change, record_charge, tell_payment_failure
from marketplace.purchases.windows import period_window
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.errors import AccountHeld
from marketplace.wallet.gateway.services import refuse_while_owing
from marketplace.wallet.models import Transfer

logger = logging.getLogger(__name__)

TOLD_BEFORE = timedelta(days=3)
MOST_AT_ONCE = 200


@transaction.atomic
def set_renewal(*, purchase: Purchase, is_renewing: bool, at: datetime) -> Purchase:
    """Switch a purchase's renewal on or off, until the term ends. Raises: NotRenewing."""
    hold_account(purchase.buyer)
    share_terms(purchase.listing)
    locked = _locked(purchase.pk)
    if locked.is_renewing == is_renewing:
        return locked
    if locked.continues_id is not None or not locked.plan.is_renewing or locked.last_term().window_until <= at:
        raise NotRenewing
    locked.is_renewing = is_renewing
    locked.renewal_told_at = None
    locked.save(update_fields=["is_renewing", "renewal_told_at"])
    kind = PurchaseChange.Kind.RENEWAL_ON if is_renewing else PurchaseChange.Kind.RENEWAL_OFF
    record_change(locked, kind, at=at)
    return locked


def renew_due(*, at: datetime, most: int = MOST_AT_ONCE) -> int:
    """Renew or let lapse what is at its end, and tell those whose end is near. Returns how many it looked at."""
    found = list(_due(at).select_related("listing", "buyer", "plan")[:most])
    for purchase in found:
        try:
            # A term that a stopped worker missed is renewed late, each in a transaction of its own.
            while _renew_one(purchase, at):
                pass
        except AccountErased:
            continue
    return len(found)


def _due(at: datetime) -> QuerySet[Purchase]:
    """Whose running term is over, or so near its end that its buyer is told; the longest over first."""
    terms = Purchase.objects.filter(continues=OuterRef("pk"), ended_at=None).order_by("-window_until")
    half = ExpressionWrapper(F("plan__period_seconds") * Value(timedelta(seconds=0.5)), output_field=DurationField())
    running = Purchase.objects.filter(is_renewing=True, buyer__erased_at=None, clock_started_at__isnull=False)
    ends = running.annotate(term_until=Coalesce(Subquery(terms.values("window_until")[:1]), F("window_until")))
    told_from = F("term_until") - Least(Value(TOLD_BEFORE), half)
    is_near = Q(renewal_told_at=None, told_from__lte=at)
    return ends.annotate(told_from=told_from).filter(Q(term_until__lte=at) | is_near).order_by("term_until", "pk")


@transaction.atomic
def _renew_one(purchase: Purchase, at: datetime) -> bool:
    """Do what is due for one purchase. Returns whether a further term may be due."""
    term = purchase.last_term()
    told_from = term.window_until - min(TOLD_BEFORE, timedelta(seconds=purchase.plan.period_seconds or 0) / 2)
    if term.clock_started_at is None or at < told_from:
        return False
    if at < term.window_until and purchase.renewal_told_at is not None:
        return False
    hold_account(purchase.buyer)
    share_terms(purchase.listing)
    locked = _locked(purchase.pk)
    term = locked.last_term()
    if not locked.is_renewing:
        return False
    if at < term.window_until:
        _tell(locked, term, at)
        return False
    return _renew_or_lapse(locked, term, at)


def _renew_or_lapse(purchase: Purchase, term: Purchase, at: datetime) -> bool:
    charge = _next_charge(purchase, term, at)
    if charge is None:
        _lapse(purchase, at)
        return False
    try:
        # Whatever comes into the wallet covers first what the bank took back.
        refuse_while_owing(purchase.buyer)
        with transaction.atomic():
            record_charge(charge, at=at)
    except (InsufficientFunds, AccountHeld):
        _lapse(purchase, at)
        tell_payment_failure(purchase, at)
        return False
    purchase.renewal_told_at = None
    purchase.save(update_fields=["renewal_told_at"])
    return True


def _next_charge(purchase: Purchase, term: Purchase, at: datetime) -> Charge | None:
    """None when the next term can't be sold any more."""
    plan = term.plan.latest_version()
    listing = Listing.objects.select_related("consent", "seller").get(pk=purchase.listing_id)
    starts_at = term.window_until
    is_ended = purchase.ended_at is not None or term.ended_at is not None
    is_sold = not is_ended and plan.retired_at is None and plan.kind == Plan.Kind.PERIOD and listing.is_held(at)
    if not is_sold or not purchase.buyer.is_active or not plan.is_served_within(listing.consent, starts_at):
        return None
    window = period_window(plan, listing.consent, window_from=starts_at, clock_at=starts_at)
    return Charge(listing, plan, purchase.buyer, plan.price_micros, window, Transfer.Kind.RENEWAL, purchase)


def _lapse(purchase: Purchase, at: datetime) -> None:
    purchase.is_renewing = False
    purchase.save(update_fields=["is_renewing"])
    record_change(purchase, PurchaseChange.Kind.LAPSED, at=at)


def _tell(purchase: Purchase, term: Purchase, at: datetime) -> None:
    """Say what the next term costs, or that there will be none."""
    purchase.renewal_told_at = at
    purchase.save(update_fields=["renewal_told_at"])
    plan = term.plan.latest_version()
    facts: dict[str, str | int] = {"purchase": str(purchase.public_id), "title": purchase.listing.title}
    until = {"until": term.window_until.isoformat()}
    if plan.retired_at is not None:
        notify(user=purchase.buyer, kind=NoticeKind.EXPIRY, facts=facts | until, at=at, reference=purchase.public_id)
        return
    price: dict[str, str | int] = {"price_micros": plan.price_micros, "currency": plan.currency}
    notify(
        user=purchase.buyer, kind=NoticeKind.RENEWAL, facts=facts | price | until, at=at, reference=purchase.public_id
    )


def _locked(pk: int) -> Purchase:
    rows = Purchase.objects.select_related("plan", "buyer", "listing__consent", "listing__seller")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=pk)
