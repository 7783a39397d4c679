from typing import cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from marketplace.access.models import AccessToken
from marketplace.access.services import find_token, issue_token, revoke_token, rotate_token
from marketplace.accounts.models import User
from marketplace.errors import MarketError
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.orders import purchase_context, sharing_endpoint
from marketplace.web.buyer.snippets import profile_name, profile_text
from marketplace.web.replies import is_htmx, reply_invalid
from marketplace.web.requests import post_only
from marketplace.web.views.purchases import own_purchase

PAGE, PANEL = "buyer/purchase.html", "buyer/_purchase_access.html"


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
    token = find_token(text)
    if token is None or token.purchase_id != purchase.pk or not token.is_usable(timezone.now()):
        refusal = {
            "title": "No file was made",
            "why": "This is not a working token of this purchase.",
            "code": "token_unknown",
        }
        return render(request, PAGE, purchase_context(request, purchase) | {"refusal": refusal}, status=422)
    profile = profile_text(sharing_endpoint(request), text, token.expires_at)
    response = HttpResponse(profile, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{profile_name(purchase)}"'
    return response


def own_token(request: HttpRequest, public_id: UUID) -> AccessToken:
    mine = AccessToken.objects.filter(purchase__buyer=cast(User, request.user))
    return get_object_or_404(mine.select_related("purchase__listing"), public_id=public_id)


def show_panel(request: HttpRequest, purchase: Purchase, secret: str = "") -> HttpResponse:
    """The answer itself carries the secret: a redirect would have to keep it somewhere."""
    return render(request, PANEL if is_htmx(request) else PAGE, purchase_context(request, purchase, secret))


def refuse(request: HttpRequest, purchase: Purchase, error: MarketError) -> HttpResponse:
    refusal = {"title": "No token was made", "why": str(error), "code": error.code}
    context = purchase_context(request, purchase) | {"refusal": refusal}
    return reply_invalid(request, page=PAGE, fragment=PANEL, context=context)
