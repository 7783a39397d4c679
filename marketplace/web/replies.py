"""The two ways to answer a POST. See also HtmxRedirectMiddleware."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

UNPROCESSABLE = 422


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page, not a browser for a whole one."""
    return bool(getattr(request, "htmx", False))


def reply(request: HttpRequest, *, fragment: str, context: Mapping[str, Any], to: Any) -> HttpResponse:
    """Answer an act that was done: the changed fragment for htmx, a redirect for everyone else.

    to: an address, the name of one, or an object with get_absolute_url.
    """
    if is_htmx(request):
        return render(request, fragment, dict(context))
    return redirect(to)


def reply_invalid(request: HttpRequest, *, page: str, fragment: str, context: Mapping[str, Any]) -> HttpResponse:
    """Answer a refused form with 422: the fragment for htmx, the whole page for everyone else."""
    return render(request, fragment if is_htmx(request) else page, dict(context), status=UNPROCESSABLE)
