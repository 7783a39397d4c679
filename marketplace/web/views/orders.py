"""Buying with money that the wallet does not hold yet."""

from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.accounts.models import User
from marketplace.delivery.services import request_refresh
from marketplace.errors import MarketError
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.ordering import order_listing
from marketplace.purchases.sight import listings_seen_by
from marketplace.web.buyer.checkout import checkout_context, refusal_of
from marketplace.web.forms.buyer import PurchaseForm, read_uuid
from marketplace.web.requests import post_only

CHECKOUT = "buyer/checkout.html"


@post_only("purchase_create")
@login_required
def order_create(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Start paying what the wallet lacks of a price; it is bought as soon as the provider says that it was paid."""
    now, buyer = timezone.now(), cast(User, request.user)
    listing = get_object_or_404(listings_seen_by(buyer, now), public_id=public_id)
    form = PurchaseForm(request.POST, listing=listing)
    context: dict[str, Any] = {}
    if form.is_valid():
        try:
            made = order_listing(listing=listing, buyer=buyer, at=now, **form.cleaned_data)
        except MarketError as error:
            context["refusal"] = refusal_of(error)
        else:
            return _way_to_pay(made)
    context = checkout_context(listing, buyer, now, read_uuid(request.POST.get("plan"))) | {"form": form} | context
    return render(request, CHECKOUT, context, status=422)


def _way_to_pay(made: Order | Purchase) -> HttpResponse:
    if isinstance(made, Purchase):
        request_refresh(made.listing)
        return redirect("purchase_page", made.public_id)
    back = urlencode({"next": reverse("order_page", args=[made.public_id])})
    return redirect(f"{reverse('top_up_page', args=[made.top_up.public_id])}?{back}")


@require_safe
@login_required
@never_cache
def order_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Looks again by itself until the money is there; then it leads to what was bought."""
    orders = Order.objects.filter(buyer=cast(User, request.user))
    order = get_object_or_404(orders.select_related("listing", "plan", "top_up", "purchase"), public_id=public_id)
    if order.purchase is not None:
        return redirect("purchase_page", order.purchase.public_id)
    return render(request, "buyer/order.html", {"order": order, "is_unpaid": order.top_up.settled_at is None})
