"""A new price, and word of it to those whom it will concern: listings know of no buyers."""

from datetime import datetime

from django.db import transaction

from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.listings.services import reprice_plan
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.models import Purchase, PurchaseQuerySet


@transaction.atomic
def reprice_and_tell(*, plan: Plan, terms: PlanTerms, at: datetime) -> Plan:
    """Sell a plan on other terms from now on, and tell whose purchase goes on at them once its term is over.

    Raises what listings.services.reprice_plan raises.
    """
    new = reprice_plan(plan=plan, terms=terms, at=at)
    if new.pk != plan.pk:
        notify_many([_draft(purchase, plan, new, at) for purchase in _going_on(plan, at)])
    return new


def _going_on(plan: Plan, at: datetime) -> PurchaseQuerySet:
    versions, older = [plan.pk], plan.replaces
    while older is not None:
        versions.append(older.pk)
        older = older.replaces
    bought = Purchase.objects.begun().filter(plan__in=versions).select_related("buyer", "listing")
    if plan.kind == Plan.Kind.PERIOD:
        return bought.filter(is_renewing=True)
    return bought.filter(plan__kind=Plan.Kind.METERED, access_until__gt=at)


def _draft(purchase: Purchase, old: Plan, new: Plan, at: datetime) -> NoticeDraft:
    facts: dict[str, str | int] = {
        "listing": str(purchase.listing.public_id),
        "title": purchase.listing.title,
        "plan": str(new.public_id),
        "old_micros": old.micros_per_1000_rows or old.price_micros,
        "new_micros": new.micros_per_1000_rows or new.price_micros,
        "currency": new.currency,
    }
    return NoticeDraft(purchase.buyer, NoticeKind.PRICE_CHANGE, facts, at, purchase.public_id)
