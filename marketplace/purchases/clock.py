"""When a bought period begins to count: at the first delivery, and after a week without one by itself."""

from datetime import datetime

from django.db import transaction

from marketplace.listings.models import Plan
from marketplace.listings.services import share_terms
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases.models import Purchase, PurchaseChange
from marketplace.purchases.recording import record_change
from marketplace.purchases.windows import LONGEST_CLOCK_WAIT, latest_clock, period_window

MOST_AT_ONCE = 500


def start_clock(*, purchase: Purchase, at: datetime) -> bool:
    """Note the first delivery, tell the seller, and count a period from it; later deliveries change nothing.

    The purchase at hand gets the window that it has from now on. False when a refund came before: deliver nothing. Of a
    refund on request and a first delivery at once, one waits for the other here and then gives way.
    """
    if purchase.clock_started_at is None:
        with transaction.atomic():
            share_terms(purchase.listing)
            locked = _locked(purchase.pk)
            if locked.ended_at is not None:
                return False
            if locked.clock_started_at is None:
                _start(locked, at)
                _tell_seller(locked, at)
        purchase.clock_started_at = locked.clock_started_at
        purchase.window_until, purchase.access_until = locked.window_until, locked.access_until
    return True


def start_due_clocks(*, at: datetime, most: int = MOST_AT_ONCE) -> int:
    """Start the clocks of periods that nobody has loaded in time. Returns how many it started."""
    # A clock that starts sooner, for its consent ends, is not urgent: nothing is lost while it does not run.
    due = Purchase.objects.filter(
        plan__kind=Plan.Kind.PERIOD,
        clock_started_at=None,
        ended_at=None,
        purchased_at__lte=at - LONGEST_CLOCK_WAIT,
        access_until__gt=at,
        listing__withdrawn_at=None,
        listing__consent__withdrawn_at=None,
        buyer__erased_at=None,
    )
    found = list(due.select_related("listing").order_by("pk")[:most])
    for purchase in found:
        _start_unread(purchase, at)
    return len(found)


@transaction.atomic
def _start_unread(purchase: Purchase, at: datetime) -> None:
    share_terms(purchase.listing)
    locked = _locked(purchase.pk)
    if locked.clock_started_at is None and locked.ended_at is None:
        _start(locked, at)


def _tell_seller(purchase: Purchase, at: datetime) -> None:
    facts = {"purchase": str(purchase.public_id), "title": purchase.listing.title}
    seller = purchase.listing.seller
    notify(user=seller, kind=NoticeKind.FIRST_READ, facts=facts, at=at, reference=purchase.public_id)


def latest_access(purchase: Purchase) -> datetime:
    """When access ends at the latest: a clock may start later, and what renews goes on as long as the consent."""
    plan, consent = purchase.plan, purchase.listing.consent
    if plan.is_renewing or purchase.window_from is None or purchase.clock_started_at is not None:
        return consent.valid_until if plan.is_renewing else min(purchase.access_until, consent.valid_until)
    starts_at = latest_clock(plan, consent, purchase.purchased_at)
    return period_window(plan, consent, window_from=purchase.window_from, clock_at=starts_at).access_until


def _locked(pk: int) -> Purchase:
    rows = Purchase.objects.select_related("plan", "buyer", "listing__consent", "listing__seller")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=pk)


def _start(purchase: Purchase, at: datetime) -> None:
    """A clock never starts later than it must, however late somebody looks."""
    plan, listing = purchase.plan, purchase.listing
    purchase.clock_started_at = at
    changed = ["clock_started_at"]
    is_cut = listing.withdrawn_at is not None or listing.consent.withdrawn_at is not None
    if plan.kind == Plan.Kind.PERIOD and purchase.window_from is not None and not is_cut:
        starts_at = min(at, latest_clock(plan, listing.consent, purchase.purchased_at))
        window = period_window(plan, listing.consent, window_from=purchase.window_from, clock_at=starts_at)
        purchase.clock_started_at = starts_at
        purchase.window_until, purchase.access_until = window.ends_at, window.access_until
        changed += ["window_until", "access_until"]
        record_change(purchase, PurchaseChange.Kind.STARTED, at=at, window_until=window.ends_at)
    purchase.save(update_fields=changed)
