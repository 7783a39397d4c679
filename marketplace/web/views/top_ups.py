from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.accounts.models import User
from marketplace.errors import MarketError
from marketplace.purchases.ordering import fill_orders
from marketplace.wallet.gateway.services import open_checkout, pay_at_test_provider
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import start_top_up
from marketplace.web.buyer.top_ups import wallet_form_address
from marketplace.web.formats import money_text
from marketplace.web.forms.buyer import OutcomeForm, TopUpForm
from marketplace.web.replies import reply_invalid
from marketplace.web.requests import own_address, post_only
from marketplace.web.views.wallet import wallet_context

WALLET, TOP_UP_PANEL = "buyer/wallet.html", "buyer/_top_up.html"


@post_only("wallet")
@login_required
def top_up_create(request: HttpRequest) -> HttpResponse:
    form = TopUpForm(request.POST)
    if form.is_valid():
        key = form.cleaned_data["idempotency_key"]
        try:
            top_up = start_top_up(
                user=cast(User, request.user), amount_micros=form.amount_micros, at=timezone.now(), idempotency_key=key
            )
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            back = own_address(request, form.cleaned_data["next"])
            query = f"?{urlencode({'next': back})}" if back else ""
            return redirect(reverse("top_up_page", args=[top_up.public_id]) + query)
    return reply_invalid(request, page=WALLET, fragment=TOP_UP_PANEL, context=wallet_context(request, form))


@require_safe
@login_required
@never_cache
def top_up_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The page of the built-in payment provider, or the way to the other one and back."""
    top_up = own_top_up(request, public_id)
    back = own_address(request, request.GET.get("next", "")) or request.session.get(f"after {public_id}", "")
    context = top_up_context(top_up, back)
    if top_up.state == TopUp.State.PENDING and top_up.provider != "test" and "returned" not in request.GET:
        context |= way_to_checkout(request, top_up, back)
    return render(request, "buyer/top_up.html", context)


def way_to_checkout(request: HttpRequest, top_up: TopUp, back: str) -> dict[str, Any]:
    # The provider is asked the very same each time, or it refuses: so the way on is kept here.
    if back:
        request.session[f"after {top_up.public_id}"] = back
    return_address = request.build_absolute_uri(reverse("top_up_page", args=[top_up.public_id])) + "?returned=1"
    try:
        return {"checkout_address": open_checkout(top_up=top_up, return_address=return_address)}
    except MarketError as error:
        title = "The payment cannot start now"
        return {"refusal": {"title": title, "why": str(error), "code": error.code}}


@post_only("top_up_page")
@login_required
def top_up_outcome(request: HttpRequest, public_id: UUID) -> HttpResponse:
    top_up = own_top_up(request, public_id)
    form = OutcomeForm(request.POST)
    refusal = {
        "title": "Nothing was changed",
        "why": "Choose whether the payment goes through.",
        "code": "form_invalid",
    }
    back = own_address(request, request.POST.get("next", ""))
    if form.is_valid():
        try:
            top_up = pay_at_test_provider(
                top_up=top_up,
                answer=form.cleaned_data["outcome"],
                order=form.cleaned_data["order"],
                at=timezone.now(),
            )
            fill_orders(at=timezone.now(), buyer=top_up.user)
        except MarketError as error:
            refusal |= {"why": str(error), "code": error.code}
        else:
            return after_payment(request, top_up, back)
    return render(request, "buyer/top_up.html", top_up_context(top_up, back) | {"refusal": refusal}, status=422)


def top_up_context(top_up: TopUp, back: str) -> dict[str, Any]:
    return {
        "is_test": top_up.provider == "test",
        "top_up": top_up,
        "next": back,
        "again_address": wallet_form_address(top_up.amount_micros, back),
    }


def after_payment(request: HttpRequest, top_up: TopUp, back: str) -> HttpResponse:
    amount = money_text(top_up.amount_micros, top_up.currency)
    if top_up.state == TopUp.State.PAID:
        messages.success(request, f"{amount} arrived in your wallet.")
        return redirect(back or "wallet")
    messages.warning(request, f"The payment of {amount} was declined. No money moved. You can try again below.")
    return redirect(wallet_form_address(top_up.amount_micros, back))


def own_top_up(request: HttpRequest, public_id: UUID) -> TopUp:
    return get_object_or_404(TopUp.objects.filter(user=cast(User, request.user)), public_id=public_id)
