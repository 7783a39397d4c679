"""Buy with money that is still on its way: pay at the provider, and it is bought when the money is there."""

import logging
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.errors import MarketError
from marketplace.listings.models import Listing, Plan
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases.errors import RequestRepeated
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.services import buy_listing, missing_micros
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.models import TopUp
from marketplace.wallet.providers import SMALLEST_TOP_UP_MICROS
from marketplace.wallet.services import start_top_up
from marketplace.wallet.units import MICROS_PER_CENT

logger = logging.getLogger(__name__)

NOT_PAID = "payment_declined"
MOST_AT_ONCE = 200


@transaction.atomic
def order_listing(
    *, listing: Listing, plan: Plan, buyer: User, quoted_micros: int, at: datetime, idempotency_key: UUID
) -> Order | Purchase:
    """Ask the payment provider for what the wallet lacks, to buy a plan with it at the price that the buyer was shown.

    Where the wallet holds enough it is bought at once, and the purchase is returned. A repeat with the same key returns
    the first order, and is refused (RequestRepeated) when it asks for another purchase. Raises what buy_listing raises,
    so that nobody pays for what is not sold; and of the top-up: ProviderUnknown, AmountOutOfRange, IdempotencyConflict.
    Nothing is written when it raises.
    """
    hold_account(buyer)
    earlier = Order.objects.filter(buyer=buyer, top_up__idempotency_key=idempotency_key).first()
    if earlier is not None:
        if (earlier.listing_id, earlier.plan_id, earlier.quoted_micros) != (listing.pk, plan.pk, quoted_micros):
            raise RequestRepeated
        return earlier
    try:
        with transaction.atomic():
            return buy_listing(
                listing=listing,
                plan=plan,
                buyer=buyer,
                quoted_micros=quoted_micros,
                at=at,
                idempotency_key=idempotency_key,
            )
    except InsufficientFunds:
        pass
    amount_micros = amount_to_pay_in(missing_micros(buyer, quoted_micros))
    top_up = start_top_up(user=buyer, amount_micros=amount_micros, at=at, idempotency_key=idempotency_key)
    order = Order.objects.create(
        buyer=buyer, listing=listing, plan=plan, quoted_micros=quoted_micros, top_up=top_up, ordered_at=at
    )
    logger.info("order.made", extra={"order_id": str(order.public_id)})
    return order


def erase_orders(*, buyer: User) -> None:
    """Delete what a person ordered and did not get. What was paid for it belongs to the books, as a top-up."""
    Order.objects.filter(buyer=buyer, purchase=None).delete()


def amount_to_pay_in(missing_micros: int) -> int:
    """What the provider is asked for: whole cents, and not less than the smallest top-up."""
    return max(-(-missing_micros // MICROS_PER_CENT) * MICROS_PER_CENT, SMALLEST_TOP_UP_MICROS)


def fill_orders(*, at: datetime, buyer: User | None = None) -> int:
    """Buy what was paid by now, and close what was not. Each order in a transaction of its own. Returns how many."""
    settled = (TopUp.State.PAID, TopUp.State.DECLINED)
    due = Order.objects.filter(settled_at=None, top_up__state__in=settled, buyer__erased_at=None)
    if buyer is not None:
        due = due.filter(buyer=buyer)
    found = due.select_related("buyer").order_by("pk")[:MOST_AT_ONCE]
    return sum(_try(order, at) for order in found)


def _try(order: Order, at: datetime) -> bool:
    """What goes wrong with one is tried again, and holds up no other."""
    try:
        return _fill(order.pk, order.buyer, at)
    except DatabaseError:
        logger.exception("order.postponed", extra={"order_id": str(order.public_id)})
        return False


@transaction.atomic
def _fill(pk: int, buyer: User, at: datetime) -> bool:
    """The buyer's account is held first, as everywhere."""
    try:
        hold_account(buyer)
    except AccountErased:
        return False
    rows = Order.objects.select_related("listing", "plan", "top_up")
    order = rows.select_for_update(of=("self",), no_key=True).get(pk=pk)
    if order.settled_at is not None:
        return False
    order.settled_at = at
    if order.top_up.state == TopUp.State.DECLINED:
        order.refused_code = NOT_PAID
    else:
        _buy(order, buyer, at)
    order.save(update_fields=["settled_at", "purchase", "refused_code"])
    logger.info("order.settled", extra={"order_id": str(order.public_id), "refused": order.refused_code})
    return True


def _buy(order: Order, buyer: User, at: datetime) -> None:
    """What can't be bought any more stays unbought, and its money stays in the wallet."""
    try:
        with transaction.atomic():
            order.purchase = buy_listing(
                listing=order.listing,
                plan=order.plan,
                buyer=buyer,
                quoted_micros=order.quoted_micros,
                at=at,
                idempotency_key=order.public_id,
            )
    except MarketError as error:
        order.refused_code = error.code
        facts = {"purchase": "", "title": order.listing.title, "reason": "order_refused"}
        notify(user=buyer, kind=NoticeKind.PAYMENT_FAILURE, facts=facts, at=at, reference=order.public_id)
