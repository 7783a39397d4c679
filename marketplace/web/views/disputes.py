"""What a buyer finds wrong with a purchase, for both sides. Operators decide in the admin panel."""

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.accounts.models import User
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import answer_dispute, close_dispute, open_dispute
from marketplace.errors import MarketError
from marketplace.purchases.models import Purchase
from marketplace.web.disputes import dispute_rows, dispute_state, dispute_timeline
from marketplace.web.forms.disputes import AnswerForm, DisputeForm
from marketplace.web.forms.refusals import add_refusal
from marketplace.web.paging import page_by_time
from marketplace.web.records import seals_of

PAGE_SIZE = 25


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def purchase_dispute(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The newest dispute about a purchase, for its buyer and its seller. The buyer may open one where there is none."""
    user = cast(User, request.user)
    parties = Q(buyer=user) | Q(listing__seller=user)
    purchases = Purchase.objects.select_related("listing__seller", "listing__consent", "buyer", "plan")
    purchase = get_object_or_404(purchases.filter(parties), public_id=public_id)
    dispute = Dispute.objects.filter(purchase=purchase).first()
    may_open = purchase.buyer_id == user.pk and (dispute is None or not dispute.is_open) and purchase.held_micros > 0
    if request.method == "POST" and purchase.buyer_id == user.pk:
        return _open(request, purchase)
    if dispute is None or ("again" in request.GET and may_open):
        if purchase.buyer_id != user.pk:
            return redirect("dispute_list")
        return _opening(request, purchase, DisputeForm(), may_open=may_open)
    return _page(request, dispute, purchase, may_open=may_open)


def _open(request: HttpRequest, purchase: Purchase) -> HttpResponse:
    form = DisputeForm(request.POST)
    if form.is_valid():
        try:
            open_dispute(purchase=purchase, at=timezone.now(), **form.cleaned_data)
        except MarketError as error:
            add_refusal(form, error)
        else:
            messages.success(request, "Your dispute is open. The money stays on hold until it is decided.")
            return redirect("purchase_dispute", purchase.public_id)
    return _opening(request, purchase, form, may_open=True)


def _opening(request: HttpRequest, purchase: Purchase, form: DisputeForm, *, may_open: bool) -> HttpResponse:
    context = {"purchase": purchase, "listing": purchase.listing, "form": form, "may_open": may_open}
    return render(request, "disputes/opening.html", context, status=422 if form.errors else 200)


def _page(request: HttpRequest, dispute: Dispute, purchase: Purchase, **more: Any) -> HttpResponse:
    user, now = cast(User, request.user), timezone.now()
    is_seller = purchase.listing.seller_id == user.pk
    form = more.pop("form", None) or AnswerForm()
    context = {
        "dispute": dispute,
        "purchase": purchase,
        "listing": purchase.listing,
        "is_seller": is_seller,
        "state": dispute_state(dispute, now),
        "events": dispute_timeline(dispute),
        "form": form if is_seller and dispute.is_open and dispute.answered_at is None else None,
        **more,
    }
    return render(request, "disputes/page.html", context, status=422 if form.errors else 200)


@require_safe
@login_required
def dispute_list(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    mine = Dispute.objects.involving(user).select_related("purchase__listing__seller", "purchase__buyer")
    page = page_by_time(mine, column="opened_at", mark=request.GET.get("after", ""), size=PAGE_SIZE)
    seals = seals_of(dispute.entry_id for dispute in page.rows)
    context = {"rows": dispute_rows(page.rows, user, seals, timezone.now()), "next_mark": page.next_mark}
    return render(request, "disputes/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def dispute_answer(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST answers as the seller; GET leads to the page with the form."""
    theirs = Dispute.objects.filter(purchase__listing__seller=cast(User, request.user))
    parts = "purchase__listing__seller", "purchase__listing__consent", "purchase__buyer", "purchase__plan"
    dispute = get_object_or_404(theirs.select_related(*parts), public_id=public_id)
    if request.method == "POST":
        form = AnswerForm(request.POST)
        if form.is_valid():
            try:
                answer_dispute(dispute=dispute, text=form.cleaned_data["text"], at=timezone.now())
            except MarketError as error:
                add_refusal(form, error)
            else:
                messages.success(request, "Your answer is there. An operator decides next.")
        if form.errors:
            return _page(request, dispute, dispute.purchase, form=form)
    return redirect("purchase_dispute", dispute.purchase.public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def dispute_closing(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST takes the buyer's dispute back."""
    mine = Dispute.objects.filter(purchase__buyer=cast(User, request.user))
    mine = mine.select_related("purchase__listing__seller", "purchase__buyer")
    dispute = get_object_or_404(mine, public_id=public_id)
    if request.method == "POST":
        try:
            close_dispute(dispute=dispute, at=timezone.now())
        except MarketError as error:
            return render(request, "disputes/closing.html", {"dispute": dispute, "refusal": error}, status=422)
        messages.success(request, "The dispute is closed.")
        return redirect("purchase_dispute", dispute.purchase.public_id)
    return render(request, "disputes/closing.html", {"dispute": dispute})
