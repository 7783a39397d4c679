from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from marketplace.accounts.models import BillingProfile, User
from marketplace.accounts.services import declare_billing
from marketplace.web.forms.billing import BillingForm
from marketplace.web.replies import reply_invalid

PAGE, PANEL = "settings/billing.html", "settings/_billing_form.html"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def billing_settings(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    profile = BillingProfile.objects.filter(user=user).first()
    if request.method != "POST":
        form = BillingForm(instance=profile, initial={} if profile else {"country": user.country})
        return render(request, PAGE, {"form": form})
    form = BillingForm(request.POST, instance=profile)
    if not form.is_valid():
        return reply_invalid(request, page=PAGE, fragment=PANEL, context={"form": form})
    declare_billing(user=user, at=timezone.now(), **form.cleaned_data)
    messages.success(request, "Your billing details are saved. Invoices issued from now on show them.")
    return redirect("billing_settings")
