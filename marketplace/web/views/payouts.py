"""A seller's way from earnings to the bank."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.errors import MarketError
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.models import Payout
from marketplace.wallet.gateway.services import (
    SMALLEST_PAYOUT_MICROS,
    answer_payout_at_test_provider,
    choose_schedule,
    open_payee,
    payable_micros,
    payee_of,
    refresh_payee,
    request_payout,
)
from marketplace.web.formats import money_text
from marketplace.web.forms.payouts import BankAnswerForm, PayoutConfirmation, PayoutForm, ScheduleForm
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest, post_only

LIST, CONFIRM, PAGE = "owner/payouts/list.html", "owner/payouts/add.html", "owner/payouts/payout.html"
ROWS_A_PAGE = 25


@require_safe
@login_required
def payout_list(request: OwnerRequest) -> HttpResponse:
    payee = payee_of(request.user)
    if payee and not payee.is_ready and "returned" in request.GET:
        try:
            refresh_payee(payee=payee)
        except MarketError as error:
            messages.warning(request, str(error))
    return render(request, LIST, list_context(request, PayoutForm()))


def list_context(request: OwnerRequest, form: PayoutForm) -> dict[str, Any]:
    payee, payable = payee_of(request.user), payable_micros(request.user)
    page = page_by_time(
        Payout.objects.filter(user=request.user),
        column="requested_at",
        mark=request.GET.get("from", ""),
        size=ROWS_A_PAGE,
    )
    return {
        "payee": payee,
        "has_provider": settings.PAYMENT_PROVIDER != "none",
        "form": form,
        "schedule_form": ScheduleForm(initial={"schedule": payee.schedule}) if payee else None,
        "payable_text": money_text(payable, settings.MARKET_CURRENCY),
        "minimum_text": money_text(SMALLEST_PAYOUT_MICROS, settings.MARKET_CURRENCY),
        "is_enough": payable >= SMALLEST_PAYOUT_MICROS,
        "payouts": page.rows,
        "next_mark": page.next_mark,
    }


@post_only("payout_list")
@login_required
def payee_create(request: OwnerRequest) -> HttpResponse:
    """Lead the seller to the provider, where he says who he is; a link, because a form may not lead elsewhere."""
    return_address = request.build_absolute_uri(reverse("payout_list")) + "?returned=1"
    try:
        address = open_payee(user=request.user, return_address=return_address, at=timezone.now())
    except MarketError as error:
        messages.warning(request, str(error))
        return redirect("payout_list")
    if address is None:
        messages.success(request, "Your earnings can be paid out now.")
        return redirect("payout_list")
    return render(request, "owner/payouts/payee.html", {"address": address})


@post_only("payout_list")
@login_required
def payout_schedule(request: OwnerRequest) -> HttpResponse:
    form = ScheduleForm(request.POST)
    if form.is_valid():
        try:
            choose_schedule(user=request.user, schedule=form.cleaned_data["schedule"])
        except MarketError as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, "The schedule of your payouts is changed.")
    return redirect("payout_list")


@login_required
def payout_add(request: OwnerRequest) -> HttpResponse:
    """Show what would happen, then do it: money that left cannot be called back."""
    if request.method == "POST":
        return payout_create(request)
    form = PayoutForm(request.GET)
    if not form.is_valid():
        return render(request, LIST, list_context(request, form), status=422)
    amount = form.amount_micros
    payable = payable_micros(request.user)
    amount = payable if amount is None else amount
    if not SMALLEST_PAYOUT_MICROS <= amount <= payable:
        too_much = amount > payable
        form.add_error("amount", "You have not earned that much." if too_much else "A payout is at least EUR 5.")
        return render(request, LIST, list_context(request, form), status=422)
    confirmation = PayoutConfirmation(initial={"amount_micros": amount, "idempotency_key": uuid4()})
    return render(request, CONFIRM, confirm_context(confirmation, amount, payable))


def confirm_context(form: PayoutConfirmation, amount_micros: int, payable: int) -> dict[str, Any]:
    return {
        "form": form,
        "amount_text": money_text(amount_micros, settings.MARKET_CURRENCY),
        "left_text": money_text(max(payable - amount_micros, 0), settings.MARKET_CURRENCY),
    }


def payout_create(request: OwnerRequest) -> HttpResponse:
    form = PayoutConfirmation(request.POST)
    if form.is_valid():
        try:
            payout = request_payout(user=request.user, at=timezone.now(), **form.cleaned_data)
        except InsufficientFunds:
            messages.warning(request, "You have not earned that much. Nothing was paid out.")
        except MarketError as error:
            messages.warning(request, f"{error} Nothing was paid out.")
        else:
            return redirect("payout_page", payout.public_id)
    return redirect("payout_list")


@require_safe
@login_required
def payout_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    return render(request, PAGE, page_context(own_payout(request, public_id)))


def page_context(payout: Payout) -> dict[str, Any]:
    is_open = payout.state in {Payout.State.REQUESTED, Payout.State.SENT}
    return {
        "payout": payout,
        "events": payout_events(payout),
        "is_test": is_open and payout.provider == settings.PAYMENT_PROVIDER == "test",
    }


def payout_events(payout: Payout) -> list[dict[str, Any]]:
    """What happened to a payout, newest first."""
    failed = payout.state == Payout.State.FAILED
    steps = [
        ("Asked for", payout.requested_at, "The money left your earnings."),
        ("Sent to the payment provider", payout.sent_at, ""),
        ("Failed" if failed else "Paid by the bank", payout.settled_at, ""),
        ("Back among your earnings", payout.returned_at, "Check where it should go, and ask for it again."),
    ]
    return [{"title": title, "at": at, "note": note} for title, at, note in reversed(steps) if at]


@post_only("payout_page")
@login_required
def payout_answer(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Answer for the bank, where nothing but the built-in provider is connected."""
    payout, form = own_payout(request, public_id), BankAnswerForm(request.POST)
    if form.is_valid():
        is_paid = form.cleaned_data["answer"] == "paid"
        try:
            answer_payout_at_test_provider(payout=payout, is_paid=is_paid, at=timezone.now())
        except MarketError as error:
            messages.warning(request, str(error))
    return redirect("payout_page", payout.public_id)


def own_payout(request: OwnerRequest, public_id: UUID) -> Payout:
    return get_object_or_404(Payout.objects.filter(user=request.user), public_id=public_id)
