"""More plans of a published listing, offers to one person, and plans that are not sold any more."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from marketplace.errors import MarketError
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import add_plans, make_offer, retire_plan
from marketplace.web.forms.plans import OfferForm, PlansForm, longest_days
from marketplace.web.forms.refusals import REFUSALS, add_refusal
from marketplace.web.owner.listing_facts import plan_quotes
from marketplace.web.plan_words import price_sentence
from marketplace.web.requests import OwnerRequest
from marketplace.web.wording import plan_name


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def plan_add(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    own = Listing.objects.filter(seller=request.user, published_at__isnull=False, withdrawn_at=None)
    listing, now = get_object_or_404(own.select_related("consent"), public_id=public_id), timezone.now()
    posted = request.POST if request.method == "POST" else None
    form = PlansForm(posted, longest_days=longest_days(listing.consent, now))
    if form.is_valid():
        try:
            add_plans(listing=listing, plans=form.plans(), at=now)
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            messages.success(request, "The listing is for sale in these ways too.")
            return redirect("own_listing", public_id=public_id)
    shown = form.plans() if form.is_bound else listing.public_plans()
    context = {"form": form, "listing": listing, "quotes": plan_quotes(shown, now)}
    return render(request, "owner/listings/more_plans.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def offer_create(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    own = Listing.objects.filter(seller=request.user, published_at__isnull=False, withdrawn_at=None)
    listing, now = get_object_or_404(own.select_related("consent"), public_id=public_id), timezone.now()
    form = OfferForm(request.POST or None)
    if form.is_valid():
        until = now + timedelta(days=form.cleaned_data["open_days"])
        try:
            make_offer(listing=listing, terms=form.terms(), email=form.cleaned_data["email"], until=until, at=now)
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The offer is made.")
            return redirect("own_listing", public_id=public_id)
    context = {"form": form, "listing": listing}
    return render(request, "owner/listings/offer.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def plan_retirement(request: OwnerRequest, public_id: UUID, plan_id: UUID) -> HttpResponse:
    plans = Plan.objects.current().filter(listing__seller=request.user, listing__public_id=public_id)
    published = plans.exclude(listing__published_at=None).select_related("listing")
    plan = get_object_or_404(published, public_id=plan_id)
    context: dict[str, object] = {"plan": plan, "listing": plan.listing, "plan_name": plan_name(plan)}
    context["price_sentence"] = price_sentence(plan)
    if request.method == "POST":
        try:
            retire_plan(plan=plan, at=timezone.now())
        except MarketError as error:
            return render(request, "owner/listings/retirement.html", {**context, "refusal": error}, status=422)
        messages.success(request, "It is not sold any more. Whoever has it keeps it to the end of the term.")
        return redirect("own_listing", public_id=public_id)
    return render(request, "owner/listings/retirement.html", context)
