"""Who sees what of a listing: questions about listings that only purchases can answer."""

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet

from marketplace.accounts.models import User
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.models import Purchase


def listings_seen_by(user: User | AnonymousUser, at: datetime) -> QuerySet[Listing]:
    """What is for sale to the person, and, whatever became of it since, what the person sells or has bought."""
    for_sale = Listing.objects.for_sale_to(user, at)
    if not isinstance(user, User):
        return for_sale
    bought = Exists(Purchase.objects.filter(listing=OuterRef("pk"), buyer=user))
    is_seen = Q(pk__in=for_sale.order_by().values("pk")) | Q(seller=user) | bought
    return Listing.objects.filter(is_seen, published_at__isnull=False)


def plans_shown_to(user: User | AnonymousUser, listing: Listing, at: datetime) -> list[Plan]:
    """The offers that were made to this very person, then what everybody may buy. Reads listing.plans."""
    if not isinstance(user, User) or not any(plan.offered_email for plan in listing.plans.all()):
        return listing.public_plans()
    offers = listing.plans.open_to(user, at).exclude(offered_email="")
    return [*offers, *listing.public_plans()]
