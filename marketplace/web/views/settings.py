from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from marketplace.accounts.models import User
from marketplace.web.forms.buyer import SettingsForm
from marketplace.web.replies import reply_invalid

PAGE, PANEL = "settings/account.html", "settings/_account_form.html"


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_settings(request: HttpRequest) -> HttpResponse:
    # A copy of the row: a refused form writes its values into its instance, and the header shows the request's user.
    user = User.objects.get(pk=cast(User, request.user).pk)
    if request.method != "POST":
        return render(request, PAGE, {"form": SettingsForm(instance=user)})
    form = SettingsForm(request.POST, instance=user)
    if not form.is_valid():
        return reply_invalid(request, page=PAGE, fragment=PANEL, context={"form": form})
    form.save()
    messages.success(request, "Your settings are saved.")
    return redirect("account_settings")
