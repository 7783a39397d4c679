"""Whose request it is, for limits per address: one answer for every door."""

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """Return the address of whoever speaks to the outermost of our TRUSTED_PROXIES.

    Each proxy appends to X-Forwarded-For whom it heard; what stands before our proxies' own entries anyone may invent.
    """
    forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    count = settings.TRUSTED_PROXIES
    if 0 < count <= len(forwarded) and forwarded[-count]:
        return forwarded[-count]
    return request.META.get("REMOTE_ADDR", "")
