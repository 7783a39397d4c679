from typing import Any, cast
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from marketplace.accounts.models import User
from marketplace.purchases.services import spendable_micros
from marketplace.wallet.gateway.services import owed_micros
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import account_of, balance_micros
from marketplace.web.buyer.statement import statement_page
from marketplace.web.formats import money_text
from marketplace.web.forms.buyer import TopUpForm
from marketplace.web.requests import own_address


@require_safe
@login_required
def wallet(request: HttpRequest) -> HttpResponse:
    start = {key: request.GET[key] for key in ("amount", "next") if key in request.GET}
    form = TopUpForm(initial={**start, "idempotency_key": uuid4()})
    return render(request, "buyer/wallet.html", wallet_context(request, form))


def wallet_context(request: HttpRequest, form: TopUpForm) -> dict[str, Any]:
    user = cast(User, request.user)
    account = account_of(user)
    balance = balance_micros(account)
    kept = max(0, balance - spendable_micros(user))
    return {
        "account": account,
        "balance_text": money_text(balance, account.currency),
        "kept_text": money_text(kept, account.currency) if kept else "",
        "statement": statement_page(account, user, request.GET.get("before", "")),
        "waiting_top_ups": list(TopUp.objects.filter(user=user, state=TopUp.State.PENDING)[:5]),
        "owed_text": money_text(owed, account.currency) if (owed := owed_micros(user)) else "",
        "form": form,
        "back": own_address(request, str(form["next"].value() or "")),
    }
