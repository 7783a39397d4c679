from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.listings.models import Listing, ListingState
from marketplace.purchases.models import Purchase
from marketplace.web.formats import money_text
from marketplace.web.owner.listing_facts import (
    listing_rows,
    listing_timeline,
    offer_rows,
    plan_quotes,
    publication_steps,
    rows_of_listings,
    with_sales,
)
from marketplace.web.owner.sale_rows import latest_reads, latest_sales
from marketplace.web.paging import page_by_time
from marketplace.web.records import seal_of
from marketplace.web.requests import OwnerRequest

LISTINGS_A_PAGE = 25


@require_safe
@login_required
def listing_list(request: OwnerRequest) -> HttpResponse:
    own = with_sales(Listing.objects.filter(seller=request.user)).select_related("consent").prefetch_related("plans")
    page = page_by_time(own, column="created_at", mark=request.GET.get("from", ""), size=LISTINGS_A_PAGE)
    rows = rows_of_listings(page.rows, at=timezone.now())
    return render(request, "owner/listings/list.html", {"rows": rows, "page": page})


@require_safe
@login_required
def own_listing(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """The seller's side of a listing; a draft goes on where it was left."""
    listing = get_object_or_404(Listing, seller=request.user, public_id=public_id)
    if listing.published_at is None:
        step = "listing_preview" if listing.plans.exists() else "listing_terms"
        return redirect(step, public_id=public_id)
    context = {
        **status_context(listing),
        "events": listing_timeline(listing),
        "offers": offer_rows(listing, timezone.now()),
        "quotes": plan_quotes(listing.public_plans(), timezone.now()),
        "more_plans_address": "" if listing.withdrawn_at else reverse("plan_add", args=[public_id]),
        "sales": latest_sales(Purchase.objects.filter(listing=listing)),
        "reads": latest_reads(request.user, listing=listing),
    }
    return render(request, "owner/listings/page.html", context)


def status_context(listing: Listing) -> dict[str, object]:
    row = listing_rows(Listing.objects.filter(pk=listing.pk), at=timezone.now())[0]
    steps = publication_steps(row, seal_of(listing.consent.entry_id))
    return {
        "row": row,
        "listing": row.listing,
        "is_waiting": row.state == ListingState.WAITING,
        "is_live": row.state == ListingState.LIVE,
        "steps": steps,
        "done_count": sum(step["state"] == "done" for step in steps),
        "earned_text": money_text(row.listing.earned_micros, settings.MARKET_CURRENCY),
    }


@require_safe
@login_required
@never_cache
def listing_status(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Polled after publishing: 204 while nothing moved. seen: how many steps the page shows as done."""
    published = Listing.objects.filter(seller=request.user, published_at__isnull=False)
    context = status_context(get_object_or_404(published, public_id=public_id))
    if context["is_waiting"] and request.GET.get("seen") == str(context["done_count"]):
        return HttpResponse(status=204)
    return render(request, "owner/listings/_status.html", context)
