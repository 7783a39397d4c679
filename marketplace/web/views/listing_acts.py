"""Publish, reprice, delete and withdraw a listing."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from marketplace.access.models import AccessToken
from marketplace.delivery.services import publish_and_prepare
from marketplace.errors import MarketError
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import delete_draft, terms_of
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import money_outlook, reprice_and_tell, withdraw_listing_with_refunds
from marketplace.web.forms.plans import price_form
from marketplace.web.owner.listing_facts import UNPRICED
from marketplace.web.owner.permissions import usable_count
from marketplace.web.plan_words import price_sentence
from marketplace.web.records import seal_of
from marketplace.web.requests import OwnerRequest, post_only
from marketplace.web.views.listing_drafts import preview_context
from marketplace.web.wording import plan_name


@post_only("own_listing")
@login_required
def listing_publication(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    listing = get_object_or_404(Listing, seller=request.user, public_id=public_id)
    try:
        publish_and_prepare(listing=listing, at=timezone.now())
    except MarketError as error:
        context = {**preview_context(listing), "refusal": error}
        return render(request, "owner/listings/preview.html", context, status=422)
    return redirect("own_listing", public_id=public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def plan_price(request: OwnerRequest, public_id: UUID, plan_id: UUID) -> HttpResponse:
    """Ask another price of one plan that is published and costs something."""
    plans = Plan.objects.public().filter(listing__seller=request.user, listing__public_id=public_id)
    priced = plans.exclude(kind__in=UNPRICED).exclude(listing__published_at=None)
    plan = get_object_or_404(priced.select_related("listing"), public_id=plan_id)
    form = price_form(plan, request.POST or None)
    if form.is_valid():
        try:
            reprice_and_tell(plan=plan, terms=form.terms_after(terms_of(plan)), at=timezone.now())
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The new price holds from now on. Earlier sales keep theirs.")
            return redirect("own_listing", public_id=public_id)
    context = {"form": form, "plan": plan, "plan_name": plan_name(plan), "listing": plan.listing}
    context["price_sentence"] = price_sentence(plan)
    return render(request, "owner/listings/price.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def listing_deletion(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    listing = get_object_or_404(Listing, seller=request.user, public_id=public_id)
    if request.method == "POST":
        try:
            delete_draft(listing=listing)
        except MarketError as error:
            context = {"listing": listing, "refusal": error}
            return render(request, "owner/listings/deletion.html", context, status=422)
        messages.success(request, f"The draft “{listing.title}” is deleted.")
        return redirect("listing_list")
    return render(request, "owner/listings/deletion.html", {"listing": listing})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def listing_withdrawal(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    listing = get_object_or_404(Listing, seller=request.user, public_id=public_id)
    tokens = AccessToken.objects.filter(purchase__listing=listing)
    context: dict[str, object] = {
        "listing": listing,
        "token_count": usable_count(tokens, now),
        "money": money_outlook(Purchase.objects.filter(listing=listing), now),
        "currency": settings.MARKET_CURRENCY,
    }
    if request.method == "POST":
        try:
            withdraw_listing_with_refunds(listing=listing, at=now)
        except MarketError as error:
            return render(request, "owner/listings/withdrawal.html", {**context, "refusal": error}, status=422)
        messages.success(request, "The listing is withdrawn. Nobody can buy it or read under it from now on.")
        return redirect("own_listing", public_id=public_id)
    context["withdrawal_seal"] = seal_of(listing.withdrawal_entry_id)
    return render(request, "owner/listings/withdrawal.html", context)
