from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.erasure.services import erase_account, outlook_for
from marketplace.errors import MarketError
from marketplace.web.forms.erasure import ErasureForm
from marketplace.web.forms.refusals import add_refusal
from marketplace.web.requests import OwnerRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
def account_erasure(request: OwnerRequest) -> HttpResponse:
    """GET says what goes and what stays, POST erases. Both only after the password or a second factor, just now."""
    now = timezone.now()
    form = ErasureForm(request.POST or None, address=request.user.email)
    if request.method == "POST" and form.is_valid():
        try:
            erase_account(user=request.user, at=now)
        except MarketError as error:
            add_refusal(form, error)
        else:
            logout(request)
            return redirect("account_erased")
    outlook = outlook_for(request.user, at=now)
    context = {"form": form, "outlook": outlook, "currency": settings.MARKET_CURRENCY}
    return render(request, "settings/erasure.html", context, status=422 if form.errors else 200)


@require_safe
def account_erased(request: HttpRequest) -> HttpResponse:
    return render(request, "settings/erased.html")
