"""What is paid by use: count rows before they are delivered, stop at caps, and bill each calendar month (UTC).

Nothing is delivered that the wallet does not hold the price of at that moment, all open months of the buyer together;
a buyer's reads take turns for it. Nothing else is bought with it, see purchases/reserving.py. What the payment provider
takes back meanwhile is owed: reading is refused until the wallet holds all of it, and the bill is tried again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, Q

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.services import hold_account
from marketplace.listings.models import Plan
from marketplace.listings.services import share_terms
from marketplace.purchases.errors import CapInvalid, NotMetered, TrialUsedUp, UsageCapReached, UsageNotCovered, UseEnded
from marketplace.purchases.models import Purchase, PurchaseChange, PurchaseQuerySet, UsageMonth
from marketplace.purchases.pricing import (
    Bill,
    MeteredTerms,
    TrialTerms,
    cover_micros,
    has_room_for,
    metered_bill,
)
from marketplace.purchases.recording import Charge, record_change, record_charge, tell_payment_failure
from marketplace.purchases.reserving import end_of_use, month_start, month_terms, take_turn, used_micros
from marketplace.purchases.windows import Window
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.services import owed_micros
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros
from marketplace.wallet.units import MICROS_PER_CENT, MICROS_PER_UNIT

logger = logging.getLogger(__name__)

HIGHEST_CAP_MICROS = 1_000_000 * MICROS_PER_UNIT
MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Usage:
    """The running month of a metered purchase. bill: as it would be if nothing more were read."""

    month: UsageMonth
    terms: MeteredTerms
    bill: Bill


def usage_now(purchase: Purchase, at: datetime) -> Usage | None:
    """None when the purchase is not metered, or no month of it is open."""
    return usages_now([purchase], at).get(purchase.pk)


def usages_now(purchases: Sequence[Purchase], at: datetime) -> dict[int, Usage]:
    """By primary key; only of those that are metered and have a month open."""
    metered = {purchase.pk: purchase for purchase in purchases if purchase.plan.kind == Plan.Kind.METERED}
    if not metered:
        return {}
    found = {}
    months = UsageMonth.objects.filter(purchase__in=metered, starts_at__lte=at, ends_at__gt=at)
    for month in months.select_related("plan"):
        terms = month_terms(month)
        bill = metered_bill(terms, month.row_count, metered[month.purchase_id].own_cap_micros)
        found[month.purchase_id] = Usage(month, terms, bill)
    return found


def open_month(purchase: Purchase, plan: Plan, at: datetime) -> UsageMonth:
    """The month that a moment lies in; whoever comes first opens it, under the plan as it is sold then."""
    starts_at = max(month_start(at), purchase.purchased_at)
    month, _ = UsageMonth.objects.get_or_create(
        purchase=purchase, ends_at=_month_end(at), defaults={"starts_at": starts_at, "plan": plan}
    )
    return month


def is_counted(purchase: Purchase) -> bool:
    """Whether rows of it are paid or limited, so that each read has to be counted before it is delivered."""
    return purchase.plan.kind == Plan.Kind.METERED or purchase.plan.trial_rows is not None


@transaction.atomic
def count_rows(*, purchase: Purchase, row_count: int, at: datetime) -> None:
    """Count a read before it is delivered. What is not paid by rows is not counted.

    Raises: TrialUsedUp, UsageCapReached, UsageNotCovered, UseEnded, AccountErased. Nothing is counted when it raises.
    """
    if purchase.plan.trial_rows is not None:
        _count_trial(purchase, row_count)
    if purchase.plan.kind == Plan.Kind.METERED:
        share_terms(purchase.listing)
        take_turn(purchase.buyer)
        # What ended meanwhile: under the terms that are shared now it can't end any more before the commit.
        fresh = _rows().get(pk=purchase.pk)
        if fresh.buyer.erased_at is not None:
            raise AccountErased
        if end_of_use(fresh) <= at or fresh.listing.withdrawn_at or fresh.listing.consent.withdrawn_at:
            raise UseEnded
        _count_metered(fresh, row_count, at)


def _count_trial(purchase: Purchase, row_count: int) -> None:
    locked = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk)
    limit = TrialTerms(trial_rows=purchase.plan.trial_rows)
    if not limit.allows(elapsed_seconds=0, row_count=locked.row_count, more_rows=row_count):
        raise TrialUsedUp
    Purchase.objects.filter(pk=purchase.pk).update(row_count=F("row_count") + row_count)


def narrow_trial(*, purchase: Purchase, window_from: datetime | None) -> None:
    """Open only the newest rows of a trial by rows; the purchase at hand gets the window too."""
    if window_from is not None and window_from < purchase.window_until:
        Purchase.objects.filter(pk=purchase.pk, is_trial=True).update(window_from=window_from)
        purchase.window_from = window_from


def _count_metered(purchase: Purchase, row_count: int, at: datetime) -> None:
    """purchase: as it is under the buyer's turn."""
    latest = purchase.usage_months.select_related("plan").first()
    month = open_month(purchase, latest.plan.latest_version() if latest else purchase.plan, at)
    month = _locked_month(month)
    if month.billed_at is not None:
        # The bill was faster: the read belongs to the month after it.
        if end_of_use(purchase) <= month.ends_at:
            raise UseEnded
        month = _locked_month(open_month(purchase, month.plan.latest_version(), month.ends_at))
    terms = month_terms(month)
    if not has_room_for(terms, month.row_count, row_count, purchase.own_cap_micros):
        raise UsageCapReached(row_count=row_count)
    needed = cover_micros(terms, month.row_count, row_count, purchase.own_cap_micros) + used_micros(
        purchase.buyer, besides=month
    )
    # What the bank took back comes first of all.
    missing = needed + owed_micros(purchase.buyer) - balance_micros(account_of(purchase.buyer))
    if missing > 0:
        raise UsageNotCovered(missing_micros=missing, currency=purchase.currency)
    UsageMonth.objects.filter(pk=month.pk).update(row_count=F("row_count") + row_count)


@transaction.atomic
def set_cap(*, purchase: Purchase, cap_micros: int | None, at: datetime) -> Purchase:
    """Set the most that a month may cost the buyer, or no such cap. It holds from now on, also in the running month.

    Raises: NotMetered, CapInvalid.
    """
    hold_account(purchase.buyer)
    share_terms(purchase.listing)
    take_turn(purchase.buyer)
    locked = _locked(purchase)
    _check_running(locked, at)
    if cap_micros is not None:
        least = max(locked.plan.base_micros, MICROS_PER_CENT)
        if not least <= cap_micros <= HIGHEST_CAP_MICROS or cap_micros % MICROS_PER_CENT:
            raise CapInvalid(least_micros=least)
    if locked.own_cap_micros == cap_micros:
        return locked
    used = _dearest_month(locked)
    if cap_micros is not None and cap_micros < used:
        raise CapInvalid("A month that is not billed yet costs more than that. Set the cap higher.", least_micros=used)
    locked.own_cap_micros = cap_micros
    locked.save(update_fields=["own_cap_micros"])
    record_change(locked, PurchaseChange.Kind.CAP_SET, at=at, cap_micros=cap_micros)
    return locked


def _dearest_month(purchase: Purchase) -> int:
    """What the dearest of the unbilled months costs so far: the cap that holds when it is billed counts for it."""
    months = purchase.usage_months.filter(billed_at=None).select_related("plan")
    return max(
        (metered_bill(month_terms(one), one.row_count, purchase.own_cap_micros).charge_micros for one in months),
        default=0,
    )


@transaction.atomic
def stop_metered(*, purchase: Purchase, at: datetime) -> Purchase:
    """End a metered purchase now: nothing more is read or counted, and what was used is billed. Raises: NotMetered."""
    hold_account(purchase.buyer)
    locked = _locked(purchase)
    _check_running(locked, at)
    locked.access_until = at
    locked.save(update_fields=["access_until"])
    record_change(locked, PurchaseChange.Kind.STOPPED, at=at)
    return locked


def bill_usage(*, at: datetime, most: int = MOST_AT_ONCE) -> int:
    """Bill the months that are over and those of purchases that are. Returns how many it looked at."""
    is_over = (
        Q(ends_at__lte=at)
        | Q(purchase__access_until__lte=at)
        | Q(purchase__listing__withdrawn_at__lte=at)
        | Q(purchase__listing__consent__withdrawn_at__lte=at)
    )
    due = UsageMonth.objects.filter(is_over, billed_at=None, purchase__buyer__erased_at=None)
    # Whose payment failed last waits longest, so that nobody who can't pay hides the others.
    order = F("payment_failed_at").asc(nulls_first=True), "ends_at", "pk"
    found = list(due.select_related("purchase").order_by(*order)[:most])
    for month in found:
        _bill(month, at)
    return len(found)


@transaction.atomic
def _bill(month: UsageMonth, at: datetime) -> None:
    hold_account(month.purchase.buyer)
    share_terms(month.purchase.listing)
    take_turn(month.purchase.buyer)
    purchase = _locked(month.purchase)
    month = _locked_month(month)
    if month.billed_at is not None:
        return
    ended_at = end_of_use(purchase)
    bill = metered_bill(month_terms(month, ended_at), month.row_count, purchase.own_cap_micros)
    if bill.charge_micros:
        try:
            with transaction.atomic():
                month.bill = record_charge(_charge_of(purchase, month, bill, ended_at), at=at)
        except InsufficientFunds:
            _note_failure(purchase, month, at)
            return
    month.billed_at = at
    month.save(update_fields=["billed_at", "bill"])
    if ended_at > month.ends_at:
        _go_on(purchase, month, at)


def _go_on(purchase: Purchase, month: UsageMonth, at: datetime) -> None:
    """Open the next month, on the terms that the plan has then; a plan that is not sold any more ends here."""
    plan = month.plan.latest_version()
    if plan.retired_at is None:
        open_month(purchase, plan, month.ends_at)
        return
    if not purchase.usage_months.filter(billed_at=None).exists():
        purchase.access_until = max(month.ends_at, min(at, purchase.access_until))
        purchase.save(update_fields=["access_until"])
        record_change(purchase, PurchaseChange.Kind.LAPSED, at=at)


def _charge_of(purchase: Purchase, month: UsageMonth, bill: Bill, ended_at: datetime) -> Charge:
    ends_at = max(min(month.ends_at, ended_at), month.starts_at)
    if ends_at == month.starts_at:
        ends_at = month.ends_at
    window = Window(month.starts_at, ends_at, ends_at)
    return Charge(
        purchase.listing,
        month.plan,
        purchase.buyer,
        bill.charge_micros,
        window,
        Transfer.Kind.USAGE,
        purchase,
        bill.row_count,
    )


def _note_failure(purchase: Purchase, month: UsageMonth, at: datetime) -> None:
    """Say it once; the bill is tried again, and until then reading is refused, for the wallet does not cover it."""
    UsageMonth.objects.filter(pk=month.pk).update(payment_failed_at=at)
    if month.payment_failed_at is None:
        tell_payment_failure(purchase, at)


def _check_running(purchase: Purchase, at: datetime) -> None:
    if purchase.plan.kind != Plan.Kind.METERED or purchase.continues_id is not None or end_of_use(purchase) <= at:
        raise NotMetered


def _rows() -> PurchaseQuerySet:
    return Purchase.objects.select_related("plan", "buyer", "listing__consent", "listing__seller")


def _locked(purchase: Purchase) -> Purchase:
    return _rows().select_for_update(of=("self",), no_key=True).get(pk=purchase.pk)


def _locked_month(month: UsageMonth) -> UsageMonth:
    return UsageMonth.objects.select_for_update(no_key=True, of=("self",)).select_related("plan").get(pk=month.pk)


def _month_end(at: datetime) -> datetime:
    start = month_start(at)
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)
