"""Ask about a token (RFC 7662), replace it, and end it (RFC 7009)."""

from datetime import datetime
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from oauth2_provider.views import TokenView

from marketplace.access.errors import AccessError, TokenUnknown
from marketplace.access.services import (
    Grant,
    authorise,
    inspect_token,
    revoke_text,
    rotate_token,
)
from marketplace.accounts.models import User
from marketplace.accounts.services import find_api_key
from marketplace.addresses import client_address
from marketplace.delivery.doors.entrance import brake_guessing, door, token_of
from marketplace.delivery.oauth.metadata import AREAS


@door("POST")
def introspect(request: HttpRequest) -> HttpResponse:
    """Two may ask: a token about itself; and with his API key the seller or the buyer of what it opens, or an auditor.

    About any other token they learn nothing, not even whether it exists.
    """
    caller, token, at = token_of(request), request.POST.get("token", ""), timezone.now()
    if not token:
        return _error("invalid_request", "Send the token as the form field 'token'.")
    person = None if caller == token else _person(request, caller, at)
    try:
        grant = inspect_token(token=token, at=at)
    except AccessError as error:
        if caller == token and isinstance(error, TokenUnknown):
            brake_guessing(request)
        return _json({"active": False})
    if caller != token and (person is None or not _may_ask(person, grant)):
        return _json({"active": False})
    return _json(_facts(grant))


@door("POST")
def rotate(request: HttpRequest) -> HttpResponse:
    """A program replaces the token that it presents. All who present it meanwhile get the same new one."""
    at = timezone.now()
    text = request.POST.get("token", "") or token_of(request)
    try:
        grant = authorise(token=text, at=at, address=client_address(request))
    except TokenUnknown:
        brake_guessing(request)
        raise
    successor, new = rotate_token(token=grant.token, at=at)
    grant.token.refresh_from_db(fields=["replaced_at"])
    return _json(
        {
            "access_token": new,
            "token_type": "Bearer",
            "expires_in": _seconds(at, successor.ends_at),
            "scope": _scope(grant),
            "old_token_expires_in": _seconds(at, grant.token.ends_at),
        }
    )


@door("POST")
def client_token(request: HttpRequest) -> HttpResponse:
    """Give an OAuth client a short-lived token for its id and secret (RFC 6749, 4.4)."""
    response: HttpResponse = TokenView.as_view()(request)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        brake_guessing(request)
    return response


@door("POST")
def revoke(request: HttpRequest) -> HttpResponse:
    """A token that is unknown or over is answered like one that was ended now (RFC 7009, 2.2)."""
    text = request.POST.get("token", "")
    if not text:
        return _error("invalid_request", "Send the token as the form field 'token'.")
    if not revoke_text(token=text, at=timezone.now()):
        brake_guessing(request)
    return _json({})


def _person(request: HttpRequest, caller: str, at: datetime) -> User | None:
    """Whose API key it is; None for a working token of some purchase. Raises: TokenUnknown for what is neither."""
    api_key = find_api_key(caller, at)
    if api_key is not None:
        return api_key.user
    try:
        inspect_token(token=caller, at=at)
    except TokenUnknown:
        brake_guessing(request)
        raise
    return None


def _may_ask(person: User, grant: Grant) -> bool:
    is_party = person.pk in (grant.listing.seller_id, grant.purchase.buyer_id)
    return is_party or (person.is_staff and person.has_perm("purchases.view_purchase"))


def _facts(grant: Grant) -> dict[str, Any]:
    """The members of RFC 7662, 2.2, and after them what a resource server needs to enforce the token's limits."""
    token = grant.token
    return {
        "active": True,
        "token_type": "Bearer",
        "scope": _scope(grant),
        "iss": settings.PUBLIC_URL,
        "aud": [f"{settings.PUBLIC_URL}/{area}" for area in AREAS],
        "iat": int(token.created_at.timestamp()),
        "exp": int(grant.expires_at.timestamp()),
        "jti": str(token.public_id),
        "purchase": str(grant.purchase.public_id),
        "fields": grant.fields,
        "window_from": grant.window_from,
        "window_until": grant.window_until,
        "row_cap_left": grant.row_cap_left,
        "rate_per_minute": token.rate_per_minute,
        "networks": token.networks,
    }


def _scope(grant: Grant) -> str:
    return f"share:{grant.listing.share_name}"


def _seconds(at: datetime, until: datetime) -> int:
    return max(0, int((until - at).total_seconds()))


def _json(content: dict[str, Any], status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(content), content_type="application/json; charset=utf-8", status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def _error(error: str, description: str) -> HttpResponse:
    return _json({"error": error, "error_description": description}, status=400)
