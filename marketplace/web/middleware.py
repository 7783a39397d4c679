from collections.abc import Callable
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render, resolve_url
from django.utils import timezone

from marketplace.web.replies import is_htmx

GetResponse = Callable[[HttpRequest], HttpResponse]


class NullCharacterMiddleware:
    """Refuse a NUL in what no form checks. PostgreSQL's texts hold none, so a query with it would crash."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "\0" in request.path_info or "%00" in query or "\0" in query:
            raise BadRequest("The address holds a NUL.")
        if any("\0" in value for value in request.COOKIES.values()):
            raise BadRequest("A cookie holds a NUL.")
        return self.get_response(request)


class TimeZoneMiddleware:
    """Show times in the zone of who is logged in. A request without a session cookie costs no query."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(zone_of(request)):
            return self.get_response(request)


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
        return None
    try:
        return ZoneInfo(request.user.time_zone)
    except (KeyError, ValueError, OSError):
        # A zone that this machine's tzdata does not know; ZoneInfoNotFoundError is a KeyError.
        return None


class HtmxRedirectMiddleware:
    """A redirect answered to htmx becomes 200 with HX-Redirect, or the login page would land inside a table cell."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if is_htmx(request) and 300 <= response.status_code < 400 and response.has_header("Location"):
            response.status_code = 200
            response["HX-Redirect"] = back_to_the_page(request, response["Location"])
            del response["Location"]
        return response


def back_to_the_page(request: HttpRequest, location: str) -> str:
    """After the log-in, go to the page the person was on, not to the fragment that was asked for."""
    login = resolve_url(settings.LOGIN_URL)
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    if urlsplit(location).path != login or page.netloc != request.get_host():
        return location
    return f"{login}?{urlencode({'next': page.path + (f'?{page.query}' if page.query else '')})}"


class WrongMethodMiddleware:
    """Give a person a page where Django answers 405 with nothing. Only a browser asks for HTML by name."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_bare = isinstance(response, HttpResponseNotAllowed) and not response.content
        if not is_bare or is_htmx(request) or "text/html" not in request.headers.get("Accept", ""):
            return response
        page = render(request, "405.html", status=response.status_code)
        page["Allow"] = response["Allow"]
        return page
