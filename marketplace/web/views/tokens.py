import json
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.access.models import AccessToken
from marketplace.access.services import (
    ClientSecret,
    delegable_token,
    find_token,
    has_secret,
    issue_client,
    issue_token,
    revoke_token,
    rotate_token,
)
from marketplace.accounts.models import User
from marketplace.delivery.sharing.profile import client_profile, share_profile
from marketplace.errors import MarketError
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.orders import end_of_access, purchase_context, sharing_endpoint
from marketplace.web.buyer.snippets import delegation_lines, profile_name, snippets_of
from marketplace.web.forms.tokens import TokenForm
from marketplace.web.replies import UNPROCESSABLE, is_htmx, reply_invalid
from marketplace.web.requests import post_only
from marketplace.web.views.purchases import own_purchase

PAGE, PANEL, MADE = "buyer/purchase.html", "buyer/_purchase_access.html", "buyer/_purchase_made.html"


@post_only("purchase_page")
@login_required
@never_cache
def token_create(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Issue a token and show it in this one answer. With first=1 only a purchase without any gets one."""
    purchase = own_purchase(request, public_id)
    if request.POST.get("first") and purchase.tokens.exists():
        return show_panel(request, purchase)
    try:
        _, secret = issue_token(purchase=purchase, at=timezone.now())
    except MarketError as error:
        return refuse(request, purchase, error)
    return show_panel(request, purchase, secret)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def token_new(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """A token with a name and limits. GET shows the form, POST makes it and shows it in this one answer."""
    purchase = own_purchase(request, public_id)
    form = TokenForm(request.POST if request.method == "POST" else None, consent=purchase.listing.consent)
    context = {"purchase": purchase, "form": form, "ended": end_of_access(purchase, timezone.now())}
    if request.method != "POST":
        return render(request, "buyer/token_new.html", context)
    if form.is_valid():
        act = issue_client if request.POST.get("kind") == "client" else issue_token
        try:
            _, made = act(
                purchase=purchase, at=timezone.now(), name=form.cleaned_data["name"], narrowing=form.narrowing()
            )
        except MarketError as error:
            form.refuse(str(error), error.details.get("field"))
            context["code"] = error.code
        else:
            return show_panel(request, purchase, made)
    return render(request, "buyer/token_new.html", context, status=UNPROCESSABLE)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def token_delegation(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """How a token is narrowed and passed on without the market; POST shows what is passed on."""
    token = own_token(request, public_id)
    context = {"token": token, "purchase": token.purchase, "lines": delegation_lines(token.purchase, "")}
    if request.method != "POST":
        return render(request, "buyer/token_delegation.html", context)
    try:
        secret = delegable_token(token=token, at=timezone.now())
    except MarketError as error:
        context["refusal"] = {"title": "It cannot be passed on", "why": str(error), "code": error.code}
    else:
        context |= {"secret": secret, "lines": delegation_lines(token.purchase, secret)}
    status = UNPROCESSABLE if "refusal" in context else 200
    return render(request, "buyer/token_delegation.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def token_rotation(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST rotates; GET leads to the page with the button."""
    token = own_token(request, public_id)
    if request.method != "POST":
        return redirect("purchase_page", token.purchase.public_id)
    purchase = own_purchase(request, token.purchase.public_id)
    try:
        _, secret = rotate_token(token=token, at=timezone.now())
    except MarketError as error:
        return refuse(request, purchase, error)
    return show_panel(request, purchase, secret)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def token_revocation(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST revokes."""
    token = own_token(request, public_id)
    if request.method != "POST":
        return render(request, "buyer/token_revocation.html", {"token": token, "purchase": token.purchase})
    revoke_token(token=token, at=timezone.now())
    messages.success(request, f"The token {token.prefix}… is revoked. The next request with it is refused.")
    return redirect("purchase_page", token.purchase.public_id)


@post_only("purchase_page")
@login_required
@never_cache
def profile_download(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Pack the token that the page just showed into a profile file. It comes from the page: nobody else knows it."""
    purchase = own_purchase(request, public_id)
    text = request.POST.get("token", "")
    profile = token_profile(request, purchase, text) or client_profile_of(request, purchase, text)
    if profile is None:
        refusal = {
            "title": "No file was made",
            "why": "This is not a working token of this purchase.",
            "code": "token_unknown",
        }
        return render(request, PAGE, purchase_context(request, purchase) | {"refusal": refusal}, status=UNPROCESSABLE)
    response = HttpResponse(json.dumps(profile, indent=2) + "\n", content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{profile_name(purchase)}"'
    return response


def token_profile(request: HttpRequest, purchase: Purchase, text: str) -> dict[str, Any] | None:
    token = find_token(text)
    if token is None or token.purchase_id != purchase.pk or not token.is_usable(timezone.now()):
        return None
    return share_profile(endpoint=sharing_endpoint(request), token=text, expires_at=token.expires_at)


def client_profile_of(request: HttpRequest, purchase: Purchase, secret: str) -> dict[str, Any] | None:
    token = purchase.tokens.filter(kind=AccessToken.Kind.CLIENT, revoked_at=None).first()
    if token is None or token.application is None or not has_secret(token, secret):
        return None
    return client_profile(
        endpoint=sharing_endpoint(request),
        token_endpoint=request.build_absolute_uri(reverse("oauth_token")),
        client_id=token.application.client_id,
        secret=secret,
    )


def own_token(request: HttpRequest, public_id: UUID) -> AccessToken:
    mine = AccessToken.objects.filter(purchase__buyer=cast(User, request.user))
    return get_object_or_404(mine.select_related("purchase__listing"), public_id=public_id)


def show_panel(request: HttpRequest, purchase: Purchase, made: str | ClientSecret = "") -> HttpResponse:
    """The answer itself carries the secret: a redirect would have to keep it somewhere."""
    if isinstance(made, ClientSecret):
        token_endpoint = request.build_absolute_uri(reverse("oauth_token"))
        fetching = f"curl -u {made.client_id}:{made.secret} \\\n  -d grant_type=client_credentials {token_endpoint}"
        snippets = snippets_of(purchase, sharing_endpoint(request), "")
        context = purchase_context(request, purchase, made.secret) | {
            "client_id": made.client_id,
            "token_endpoint": token_endpoint,
            "snippets": [*snippets, ("curl: fetch a token for half an hour", fetching)],
        }
    else:
        context = purchase_context(request, purchase, made)
    return render(request, MADE if is_htmx(request) else PAGE, context)


def refuse(request: HttpRequest, purchase: Purchase, error: MarketError) -> HttpResponse:
    refusal = {"title": "No token was made", "why": str(error), "code": error.code}
    context = purchase_context(request, purchase) | {"refusal": refusal}
    return reply_invalid(request, page=PAGE, fragment=PANEL, context=context)
