"""What is paid by use is billed when its month is over. Until then the wallet keeps what the months have cost so far.

Nothing is bought or renewed with that money; only what the payment provider takes back may still take it, and then
reading stops until it is there again. See purchases/usage.py for the other half: nothing is read that is not covered.
"""

from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.purchases.models import Purchase, UsageMonth
from marketplace.purchases.pricing import MeteredTerms, earned_micros, metered_bill
from marketplace.purchases.turns import wait_for
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.models import CardRefund
from marketplace.wallet.gateway.services import refundable_micros, request_card_refund
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import account_of, balance_micros


def month_start(at: datetime) -> datetime:
    return datetime(at.astimezone(UTC).year, at.astimezone(UTC).month, 1, tzinfo=UTC)


def month_terms(month: UsageMonth, until: datetime | None = None) -> MeteredTerms:
    """The plan's terms for a month. The base fee counts by the second in a month that is not whole."""
    plan, whole = month.plan, month_start(month.starts_at)
    all_seconds = int((month.ends_at - whole).total_seconds())
    used_seconds = int((min(until or month.ends_at, month.ends_at) - month.starts_at).total_seconds())
    return MeteredTerms(
        micros_per_1000_rows=plan.micros_per_1000_rows or 0,
        free_rows=plan.free_rows,
        base_micros=earned_micros(plan.base_micros, all_seconds, all_seconds - max(used_seconds, 0)),
        cap_micros=plan.cap_micros,
    )


def end_of_use(purchase: Purchase) -> datetime:
    listing = purchase.listing
    ends = [
        purchase.access_until,
        purchase.ended_at,
        listing.withdrawn_at,
        listing.consent.withdrawn_at,
        listing.consent.valid_until,
    ]
    return min(end for end in ends if end is not None)


def take_turn(buyer: User) -> None:
    """Count, bill and spend what a buyer uses one after the other, until the running transaction ends."""
    wait_for(f"usage {buyer.pk}")


def used_micros(buyer: User, *, besides: UsageMonth | None = None) -> int:
    """What the buyer's open months come to so far, and all of their base fees."""
    months = UsageMonth.objects.filter(purchase__buyer=buyer, billed_at=None)
    if besides is not None:
        months = months.exclude(pk=besides.pk)
    return _sum_of(months)


def sold_use_micros(seller: User) -> int:
    """What others have used of a seller's data that is not billed yet."""
    return _sum_of(UsageMonth.objects.filter(purchase__listing__seller=seller, billed_at=None))


def _sum_of(months: QuerySet[UsageMonth]) -> int:
    rows = months.select_related("plan", "purchase__listing__consent")
    return sum(
        metered_bill(
            month_terms(one, end_of_use(one.purchase)), one.row_count, one.purchase.own_cap_micros
        ).charge_micros
        for one in rows
    )


def refuse_what_is_used(buyer: User, price_micros: int) -> None:
    """Let nothing be bought with what the open months have cost. Nearly nobody has any; whoever has waits for a turn.

    Raises: InsufficientFunds.
    """
    if not UsageMonth.objects.filter(purchase__buyer=buyer, billed_at=None).exists():
        return
    take_turn(buyer)
    missing = missing_micros(buyer, price_micros)
    if used_micros(buyer) and missing:
        raise InsufficientFunds(
            "Your wallet does not hold both this and what you have read by use so far. Top it up and try again.",
            missing_micros=missing,
        )


def missing_micros(buyer: User, price_micros: int) -> int:
    """What the wallet lacks to pay a price beside what is used already, of which a provider may have taken some."""
    return max(0, price_micros + used_micros(buyer) - balance_micros(account_of(buyer)))


def spendable_micros(buyer: User) -> int:
    """What the wallet holds beyond what is used already; never below zero."""
    return max(0, balance_micros(account_of(buyer)) - used_micros(buyer))


def may_take_back_micros(top_up: TopUp) -> int:
    """What of a top-up may go back to where it came from now: neither spent, nor used, nor gone back already."""
    return refundable_micros(top_up, kept_micros=used_micros(top_up.user))


@transaction.atomic
def take_back_top_up(*, top_up: TopUp, amount_micros: int, idempotency_key: UUID, at: datetime) -> CardRefund:
    """Pay money of a top-up back to where it came from; what was used this month stays in the wallet for its bill.

    A repeat with the same key returns the first one. Raises: NotRefundable, AmountNotWholeCents, InsufficientFunds,
    IdempotencyConflict, AccountHeld. Nothing is written when it raises.
    """
    hold_account(top_up.user)
    take_turn(top_up.user)
    return request_card_refund(
        top_up=top_up,
        amount_micros=amount_micros,
        kept_micros=used_micros(top_up.user),
        idempotency_key=idempotency_key,
        at=at,
    )
