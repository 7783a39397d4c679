"""Ask about a token (RFC 7662) and end it (RFC 7009). Whoever holds a token may do both with it."""

from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from marketplace.access.errors import AccessError, TokenUnknown
from marketplace.access.services import find_token, inspect_token, revoke_token
from marketplace.delivery.doors import brake_guessing, door, token_of


@door("POST")
def introspect(request: HttpRequest) -> HttpResponse:
    """The bearer asks about itself; about any other token it learns nothing."""
    bearer, token = token_of(request), request.POST.get("token", "")
    if not token:
        return _error("invalid_request", "Send the token as the form field 'token'.")
    if bearer != token:
        return _json({"active": False})
    try:
        grant = inspect_token(token=token, at=timezone.now())
    except TokenUnknown:
        brake_guessing(request)
        return _json({"active": False})
    except AccessError:
        return _json({"active": False})
    return _json(
        {
            "active": True,
            "token_type": "Bearer",
            "scope": f"share:{grant.listing.share_name}",
            "iat": int(grant.token.created_at.timestamp()),
            "exp": int(grant.token.ends_at.timestamp()),
            "jti": str(grant.token.public_id),
            "purchase": str(grant.purchase.public_id),
        }
    )


@door("POST")
def revoke(request: HttpRequest) -> HttpResponse:
    """A token that is unknown or over is answered like one that was ended now (RFC 7009, 2.2)."""
    text = request.POST.get("token", "")
    if not text:
        return _error("invalid_request", "Send the token as the form field 'token'.")
    token = find_token(text)
    if token is None:
        brake_guessing(request)
    else:
        revoke_token(token=token, at=timezone.now())
    return _json({})


def _json(content: dict[str, Any], status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(content), content_type="application/json; charset=utf-8", status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def _error(error: str, description: str) -> HttpResponse:
    return _json({"error": error, "error_description": description}, status=400)
