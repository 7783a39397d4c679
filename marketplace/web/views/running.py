"""What a buyer decides about a purchase that goes on: renewal, the own cap, the end."""

from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from marketplace.errors import MarketError
from marketplace.purchases.services import set_cap, set_renewal, stop_metered
from marketplace.web.buyer.orders import purchase_context
from marketplace.web.forms.buyer import CapForm
from marketplace.web.requests import post_only
from marketplace.web.views.purchases import own_purchase


@post_only("purchase_page")
@login_required
def purchase_renewal(request: HttpRequest, public_id: UUID) -> HttpResponse:
    is_renewing = request.POST.get("is_renewing") == "1"
    purchase = own_purchase(request, public_id)
    try:
        set_renewal(purchase=purchase, is_renewing=is_renewing, at=timezone.now())
    except MarketError as error:
        return _refused(request, public_id, error)
    text = "It renews at the end of each term." if is_renewing else "It does not renew. What you paid for stays yours."
    messages.success(request, text)
    return redirect("purchase_page", public_id)


@post_only("purchase_page")
@login_required
def purchase_cap(request: HttpRequest, public_id: UUID) -> HttpResponse:
    purchase, form = own_purchase(request, public_id), CapForm(request.POST)
    if not form.is_valid():
        context = purchase_context(request, purchase) | {"cap_form": form}
        return render(request, "buyer/purchase.html", context, status=422)
    try:
        set_cap(purchase=purchase, cap_micros=form.cap_micros(), at=timezone.now())
    except MarketError as error:
        return _refused(request, public_id, error)
    messages.success(request, "Your cap holds from now on.")
    return redirect("purchase_page", public_id)


@post_only("purchase_page")
@login_required
def purchase_stop(request: HttpRequest, public_id: UUID) -> HttpResponse:
    try:
        stop_metered(purchase=own_purchase(request, public_id), at=timezone.now())
    except MarketError as error:
        return _refused(request, public_id, error)
    messages.success(request, "Nothing is loaded or counted any more. What you used is billed within minutes.")
    return redirect("purchase_page", public_id)


def _refused(request: HttpRequest, public_id: UUID, error: MarketError) -> HttpResponse:
    context = purchase_context(request, own_purchase(request, public_id)) | {"running_refusal": cast(Exception, error)}
    return render(request, "buyer/purchase.html", context, status=422)
