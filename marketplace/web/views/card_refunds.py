"""A buyer's unspent money on its way back to where it came from."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.errors import MarketError
from marketplace.purchases.services import may_take_back_micros, spendable_micros, take_back_top_up
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.models import CardRefund
from marketplace.wallet.gateway.services import answer_card_refund_at_test_provider, owed_micros, refundable_top_ups
from marketplace.wallet.models import TopUp
from marketplace.web.formats import money_text
from marketplace.web.forms.card_refunds import TOO_MUCH, CardRefundConfirmation, CardRefundForm
from marketplace.web.forms.payouts import BankAnswerForm
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest, post_only

FOLDER = "buyer/card_refunds"
ROWS_A_PAGE = 25


@require_safe
@login_required
def card_refund_list(request: OwnerRequest) -> HttpResponse:
    user = request.user
    top_ups = page_by_time(
        refundable_top_ups(user), column="created_at", mark=request.GET.get("from", ""), size=ROWS_A_PAGE
    )
    refunds = page_by_time(
        CardRefund.objects.filter(user=user),
        column="requested_at",
        mark=request.GET.get("before", ""),
        size=ROWS_A_PAGE,
    )
    spendable = spendable_micros(user)
    context = {
        "spendable_text": money_text(spendable, settings.MARKET_CURRENCY),
        "is_empty": not spendable,
        "owed_text": money_text(owed, settings.MARKET_CURRENCY) if (owed := owed_micros(user)) else "",
        "top_ups": top_ups.rows,
        "next_from": top_ups.next_mark,
        "refunds": refunds.rows,
        "next_before": refunds.next_mark,
    }
    return render(request, f"{FOLDER}/list.html", context)


@login_required
def card_refund_add(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Ask how much, show what would happen, then do it: money that left cannot be called back."""
    top_up = get_object_or_404(TopUp.objects.filter(user=request.user, state=TopUp.State.PAID), public_id=public_id)
    if request.method == "POST":
        return card_refund_create(request, top_up)
    most = may_take_back_micros(top_up)
    form = CardRefundForm(request.GET if "amount" in request.GET else None)
    if not form.is_bound or not form.is_valid():
        return render_form(request, top_up, form, most)
    amount = most if form.amount_micros is None else form.amount_micros
    if not 0 < amount <= most:
        form.add_error("amount", TOO_MUCH)
        return render_form(request, top_up, form, most)
    confirmation = CardRefundConfirmation(initial={"amount_micros": amount, "idempotency_key": uuid4()})
    context = {
        "top_up": top_up,
        "form": confirmation,
        "amount_text": money_text(amount, top_up.currency),
        "left_text": money_text(spendable_micros(request.user) - amount, top_up.currency),
    }
    return render(request, f"{FOLDER}/confirm.html", context)


def render_form(request: OwnerRequest, top_up: TopUp, form: CardRefundForm, most: int) -> HttpResponse:
    context = {"top_up": top_up, "form": form, "is_possible": most > 0, "most_text": money_text(most, top_up.currency)}
    return render(request, f"{FOLDER}/add.html", context, status=422 if form.errors else 200)


def card_refund_create(request: OwnerRequest, top_up: TopUp) -> HttpResponse:
    form = CardRefundConfirmation(request.POST)
    if form.is_valid():
        try:
            refund = take_back_top_up(top_up=top_up, at=timezone.now(), **form.cleaned_data)
        except InsufficientFunds:
            messages.warning(request, "Your wallet does not hold that much any more. Nothing was paid back.")
        except MarketError as error:
            messages.warning(request, f"{error} Nothing was paid back.")
        else:
            return redirect("card_refund_page", refund.public_id)
    return redirect("card_refund_list")


@require_safe
@login_required
def card_refund_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    refund = own_card_refund(request, public_id)
    is_open = refund.state in {CardRefund.State.REQUESTED, CardRefund.State.SENT}
    context = {
        "refund": refund,
        "events": card_refund_events(refund),
        "is_test": is_open and refund.provider == settings.PAYMENT_PROVIDER == "test",
    }
    return render(request, f"{FOLDER}/card_refund.html", context)


def card_refund_events(refund: CardRefund) -> list[dict[str, Any]]:
    """What happened to it, newest first."""
    failed = refund.state == CardRefund.State.FAILED
    paid_note = "Your bank may need some days to show it."
    steps = [
        ("Asked for", refund.requested_at, "The money left your wallet."),
        ("Sent to the payment provider", refund.sent_at, ""),
        (
            "Refused" if failed else "Paid back",
            refund.settled_at,
            "It is in your wallet again." if failed else paid_note,
        ),
    ]
    return [{"title": title, "at": at, "note": note} for title, at, note in reversed(steps) if at]


@post_only("card_refund_page")
@login_required
def card_refund_answer(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Answer for the bank, where nothing but the built-in provider is connected."""
    refund, form = own_card_refund(request, public_id), BankAnswerForm(request.POST)
    if form.is_valid():
        is_paid = form.cleaned_data["answer"] == "paid"
        try:
            answer_card_refund_at_test_provider(refund=refund, is_paid=is_paid, at=timezone.now())
        except MarketError as error:
            messages.warning(request, str(error))
    return redirect("card_refund_page", refund.public_id)


def own_card_refund(request: OwnerRequest, public_id: UUID) -> CardRefund:
    rows = CardRefund.objects.select_related("top_up").filter(user=request.user)
    return get_object_or_404(rows, public_id=public_id)
