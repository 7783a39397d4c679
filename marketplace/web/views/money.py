"""A seller's money, and statements as files."""

from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.errors import MarketError
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.models import OWNED_KINDS
from marketplace.wallet.services import account_of, move_earnings
from marketplace.web.buyer.statement_file import statement_rows
from marketplace.web.csv_lines import csv_response
from marketplace.web.forms.earnings import EarningsMoveForm
from marketplace.web.owner.money import money_facts
from marketplace.web.replies import reply_invalid
from marketplace.web.requests import OwnerRequest, post_only

PAGE, FORM = "owner/sales/money.html", "owner/sales/_earnings_move.html"


@require_safe
@login_required
def money(request: OwnerRequest) -> HttpResponse:
    return render(request, PAGE, context_of(request, EarningsMoveForm(initial={"idempotency_key": uuid4()})))


@post_only("money")
@login_required
def earnings_move(request: OwnerRequest) -> HttpResponse:
    form = EarningsMoveForm(request.POST)
    if form.is_valid():
        key = form.cleaned_data["idempotency_key"]
        try:
            move_earnings(user=request.user, amount_micros=form.amount_micros, idempotency_key=key, at=timezone.now())
        except InsufficientFunds:
            form.add_error("amount", "You have not earned that much.")
        except MarketError as error:
            form.add_error("amount", str(error))
        else:
            messages.success(request, "The money is in your wallet now.")
            return redirect("money")
    return reply_invalid(request, page=PAGE, fragment=FORM, context=context_of(request, form))


def context_of(request: OwnerRequest, form: EarningsMoveForm) -> dict[str, object]:
    facts = money_facts(request.user, mark=request.GET.get("from", ""), before=request.GET.get("before", ""))
    return {**facts, "form": form}


@require_safe
@login_required
def statement_file(request: OwnerRequest, kind: str) -> StreamingHttpResponse:
    """Every line of an account, oldest first, as CSV."""
    if kind not in OWNED_KINDS:
        raise Http404
    return csv_response(kind, statement_rows(account_of(request.user, kind)))
