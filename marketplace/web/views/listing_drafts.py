"""The three steps from nothing to a published listing. Each one saves the draft."""

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from marketplace.consents.models import Consent
from marketplace.listings.models import Listing
from marketplace.listings.services import draft_listing, set_plans, update_draft
from marketplace.web.forms.listings import (
    ListingTextForm,
    NewListingForm,
    text_values,
)
from marketplace.web.forms.plans import PlansForm, longest_days, plan_values
from marketplace.web.forms.refusals import REFUSALS, add_refusal
from marketplace.web.owner.listing_facts import plan_quotes
from marketplace.web.owner.permissions import consent_terms
from marketplace.web.owner.preview import preview_table
from marketplace.web.requests import OwnerRequest


def with_own_draft(view: Callable[[OwnerRequest, Listing], HttpResponse]) -> Callable[..., HttpResponse]:
    """Find the draft for a view. Once it is published, its addresses lead to the listing."""

    @wraps(view)
    def found(request: OwnerRequest, public_id: UUID) -> HttpResponse:
        own = Listing.objects.filter(seller=request.user).select_related("consent")
        listing = get_object_or_404(own, public_id=public_id)
        if listing.published_at is None:
            return view(request, listing)
        messages.info(request, "This listing is published, so its draft can’t be changed any more.")
        return redirect("own_listing", public_id=public_id)

    return found


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def listing_add(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    consents = Consent.objects.filter(owner=request.user).active_at(now)
    chosen = next((row for row in consents if str(row.public_id) == request.GET.get("consent")), consents.first())
    form = NewListingForm(request.POST or None, seller=request.user, at=now, initial={"consent": chosen})
    if request.method == "POST" and form.is_valid():
        try:
            listing = draft_listing(seller=request.user, at=now, **form.cleaned_data)
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            return redirect("listing_terms", public_id=listing.public_id)
    context = {"form": form, "has_consent": chosen is not None, "step": 1}
    return render(request, "owner/listings/text.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@with_own_draft
def listing_text(request: OwnerRequest, listing: Listing) -> HttpResponse:
    form = ListingTextForm(request.POST or None, initial=text_values(listing))
    if request.method == "POST" and form.is_valid():
        try:
            update_draft(listing=listing, **form.cleaned_data)
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            return redirect("listing_terms", public_id=listing.public_id)
    context = {"form": form, "listing": listing, "has_consent": True, "step": 1}
    return render(request, "owner/listings/text.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@with_own_draft
def listing_terms(request: OwnerRequest, listing: Listing) -> HttpResponse:
    """GET with prices in the address only shows what the seller would receive; POST saves."""
    plans = listing.public_plans()
    longest = longest_days(listing.consent, timezone.now())
    form = PlansForm(request.POST or request.GET or None, initial=plan_values(plans), longest_days=longest)
    is_valid = form.is_valid()
    if request.method == "POST" and is_valid:
        try:
            set_plans(listing=listing, plans=form.plans())
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            return redirect("listing_preview", public_id=listing.public_id)
    quotes = plan_quotes(form.plans() if form.is_bound else plans, timezone.now())
    context = {"form": form, "listing": listing, "quotes": quotes, "step": 2}
    return render(request, "owner/listings/terms.html", context, status=422 if request.method == "POST" else 200)


@require_POST
@login_required
@with_own_draft
def listing_quotes(request: OwnerRequest, listing: Listing) -> HttpResponse:
    """The way of a page without JavaScript to the quotes: put the prices, and nothing else, into the address."""
    prices = {name: request.POST[name] for name in PlansForm().fields if request.POST.get(name)}
    return redirect(f"{reverse('listing_terms', args=[listing.public_id])}?{urlencode(prices)}#quotes")


@require_safe
@login_required
@with_own_draft
def listing_preview(request: OwnerRequest, listing: Listing) -> HttpResponse:
    return render(request, "owner/listings/preview.html", preview_context(listing))


def preview_context(listing: Listing) -> dict[str, object]:
    now = timezone.now()
    return {
        "listing": listing,
        "consent": listing.consent,
        "terms": consent_terms(listing.consent),
        "table": preview_table(listing.consent, at=now),
        "quotes": plan_quotes(listing.public_plans(), now),
        "step": 3,
    }
