"""What requests are, and which of them a view takes."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from redis import RedisError

from marketplace.accounts.models import User
from marketplace.addresses import client_address


class OwnerRequest(HttpRequest):
    """A request of a person who is logged in. Only a name for the type checker."""

    user: User


def post_only(page: str) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Take POST only. Whoever opens the address by hand, or comes back to it from the log-in, is led to the page.

    page: the name of a URL with the arguments of this one.
    """

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        take_post = require_POST(view)

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in {"GET", "HEAD"}:
                return redirect(page, *args, **kwargs)
            return take_post(request, *args, **kwargs)

        return answer

    return decorate


def own_address(request: HttpRequest, address: str) -> str:
    """The address, if it is one of ours; an open redirect would help a phisher."""
    is_ours = address.startswith("/") and url_has_allowed_host_and_scheme(
        address, allowed_hosts=None, require_https=request.is_secure()
    )
    return address if is_ours else ""


def is_too_often(request: HttpRequest, name: str, most: int) -> bool:
    """Count what an address of the network asks for, and say whether it is more than so often in this minute."""
    key = f"web-{name}:{client_address(request)}"
    try:
        cache.add(key, 0, 60)
        return cache.incr(key) > most
    except (RedisError, ValueError):
        # Without the cache nothing is counted; what is asked for must be harmless then.
        return False


def announced_size(request: HttpRequest) -> int:
    """How many bytes a request says that it brings."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
