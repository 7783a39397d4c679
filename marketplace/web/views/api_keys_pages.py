from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.accounts.models import ApiKey, User
from marketplace.accounts.services import create_api_key, revoke_api_key
from marketplace.errors import MarketError
from marketplace.web.forms.buyer import ApiKeyForm
from marketplace.web.replies import is_htmx, reply_invalid
from marketplace.web.requests import post_only

PAGE, PANEL = "settings/api_keys.html", "settings/_api_keys.html"


@require_safe
@login_required
def api_keys(request: HttpRequest) -> HttpResponse:
    return render(request, PAGE, {"form": ApiKeyForm(), "keys": own_keys(request)})


@post_only("api_keys")
@login_required
@never_cache
def api_key_create(request: HttpRequest) -> HttpResponse:
    """The answer itself shows the key, once: a redirect would have to keep it somewhere."""
    form = ApiKeyForm(request.POST)
    if form.is_valid():
        try:
            _, secret = create_api_key(user=cast(User, request.user), at=timezone.now(), **form.cleaned_data)
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            context = {"form": ApiKeyForm(), "keys": own_keys(request), "secret": secret}
            return render(request, PANEL if is_htmx(request) else PAGE, context)
    return reply_invalid(request, page=PAGE, fragment=PANEL, context={"form": form, "keys": own_keys(request)})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def api_key_revocation(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST revokes."""
    api_key = get_object_or_404(ApiKey.objects.filter(user=cast(User, request.user)), public_id=public_id)
    if request.method != "POST":
        return render(request, "settings/api_key_revocation.html", {"api_key": api_key})
    revoke_api_key(api_key=api_key, at=timezone.now())
    messages.success(request, f"The key “{api_key.name}” is revoked. The next request with it is refused.")
    return redirect("api_keys")


def own_keys(request: HttpRequest) -> list[ApiKey]:
    return list(ApiKey.objects.filter(user=cast(User, request.user)))
