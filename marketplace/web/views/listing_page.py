from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.countries import country_name
from marketplace.delivery.services import describe_table
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import tax_of_buyer
from marketplace.purchases.sight import listings_seen_by, plans_shown_to
from marketplace.web.buyer.cards import earlier_purchases, plan_cards, terms_of
from marketplace.web.buyer.listings import (
    columns_table,
    ended_at,
    listing_chart,
    quality_context,
    refusal_to_sell,
    sample_table,
    shows_data,
)
from marketplace.web.metadata import schema_org
from marketplace.web.metadata.collecting import dataset_facts, market_facts
from marketplace.web.records import seal_of


@require_safe
def listing_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    seen = listings_seen_by(request.user, now).select_related("seller", "consent", "quality").prefetch_related("plans")
    listing = get_object_or_404(seen, public_id=public_id)
    offered = plans_shown_to(request.user, listing, now)
    refusal = refusal_to_sell(listing, offered, request.user, now)
    mine = Purchase.objects.for_buyer(request.user) if request.user.is_authenticated else Purchase.objects.none()
    tax = tax_of_buyer(request.user if request.user.is_authenticated else None, now)
    context: dict[str, Any] = {
        "listing": listing,
        "country": country_name(listing.country),
        "refusal": refusal,
        "plans": plan_cards(listing, offered, refusal, tax, now),
        "terms": terms_of(listing.consent),
        "seal": seal_of(listing.withdrawal_entry_id or listing.entry_id),
        "ended_at": ended_at(listing, now),
        "sales_count": Purchase.objects.filter(listing__seller=listing.seller).count(),
        "purchases": earlier_purchases(mine.filter(listing=listing)),
        **data_context(request, listing, now),
        **metadata_context(listing, now),
    }
    return render(request, "buyer/listing.html", context)


def metadata_context(listing: Listing, at: datetime) -> dict[str, Any]:
    """What search engines read in the page, where anybody may buy it."""
    if not Listing.objects.for_sale_to(AnonymousUser(), at).filter(pk=listing.pk).exists():
        return {}
    facts = dataset_facts(listing, at, describe_table(listing.consent))
    return {"structured": schema_org.dataset(facts, market_facts())}


def data_context(request: HttpRequest, listing: Listing, at: datetime) -> dict[str, Any]:
    if not shows_data(listing, request.user, at):
        return {"shows_data": False, "sample": columns_table(listing)}
    return {
        "shows_data": True,
        **quality_context(listing),
        "sample": sample_table(listing),
        **listing_chart(listing, request.GET),
    }
