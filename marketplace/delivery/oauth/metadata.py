"""Where programs learn how to get in: RFC 8414 says who gives tokens, RFC 9728 what they open."""

from typing import Any

import orjson
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

# The doors' addresses, as marketplace/urls.py gives them.
AREAS = {"delta-sharing": "Delta Sharing", "data": "Downloads and evidence", "live": "Live streams"}
_RESOURCE_PATH = "/.well-known/oauth-protected-resource"


def area_of(path: str) -> str:
    """The door that an address belongs to."""
    first = path.strip("/").partition("/")[0]
    return first if first in AREAS else next(iter(AREAS))


def resource_address(area: str) -> str:
    """Where the metadata of a door are (RFC 9728, 3.1)."""
    return f"{settings.PUBLIC_URL}{_RESOURCE_PATH}/{area}"


@require_safe
@cache_control(public=True, max_age=3600)
def authorization_server(request: HttpRequest) -> HttpResponse:
    """RFC 8414, section 2."""
    client = ["client_secret_basic", "client_secret_post"]
    return _json(
        {
            "issuer": settings.PUBLIC_URL,
            "token_endpoint": f"{settings.PUBLIC_URL}/oauth/token",
            "token_endpoint_auth_methods_supported": client,
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": [],
            "revocation_endpoint": f"{settings.PUBLIC_URL}/oauth/revoke",
            "revocation_endpoint_auth_methods_supported": ["none"],
            "introspection_endpoint": f"{settings.PUBLIC_URL}/oauth/introspect",
            "introspection_endpoint_auth_methods_supported": ["bearer"],
            "protected_resources": [f"{settings.PUBLIC_URL}/{area}" for area in AREAS],
        }
    )


@require_safe
@cache_control(public=True, max_age=3600)
def protected_resource(request: HttpRequest, area: str) -> HttpResponse:
    """RFC 9728, section 2."""
    if area not in AREAS:
        raise Http404
    return _json(
        {
            "resource": f"{settings.PUBLIC_URL}/{area}",
            "resource_name": f"{settings.MARKET_NAME}: {AREAS[area]}",
            "authorization_servers": [settings.PUBLIC_URL],
            "bearer_methods_supported": ["header"],
        }
    )


def _json(content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), content_type="application/json")
