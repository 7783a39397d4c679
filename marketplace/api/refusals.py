"""What the project answers where no view does, or one broke: a problem to programs, a page to people."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views import defaults

from marketplace.api.problems import problem_http_response

# The API and the doors of delivery. Pages for people also live under /api/docs/, and break like all pages.
_PROGRAMS = ("/api/", "/delta-sharing/", "/oauth/")
_PAGES = ("/api/docs/",)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if isinstance(exception, RequestDataTooBig):
        code, detail = "body_too_large", "The body has more bytes than are taken here."
    else:
        code, detail = "bad_request", "The request could not be read."
    return _answer(request, HTTPStatus.BAD_REQUEST, code, detail, lambda: defaults.bad_request(request, exception))


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(
        request,
        HTTPStatus.FORBIDDEN,
        "permission_denied",
        "You may not do this.",
        lambda: defaults.permission_denied(request, exception),
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return _answer(
        request,
        HTTPStatus.NOT_FOUND,
        "not_found",
        "There is nothing at this address.",
        lambda: defaults.page_not_found(request, exception),
    )


def server_error(request: HttpRequest) -> HttpResponseBase:
    return _answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "server_error",
        "Something broke on our side. What you asked for is either done whole or not at all.",
        lambda: defaults.server_error(request),
    )


def _answer(
    request: HttpRequest, status: HTTPStatus, code: str, detail: str, page: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    path = request.path_info
    if not path.startswith(_PROGRAMS) or path.startswith(_PAGES):
        return page()
    # The doors' protocols have names of their own for the same things; a problem may carry more members.
    extra: dict[str, Any] = {}
    if path.startswith("/delta-sharing/"):
        extra = {"errorCode": code.upper(), "message": detail}
    elif path.startswith("/oauth/"):
        is_ours = status == HTTPStatus.INTERNAL_SERVER_ERROR
        extra = {"error": "server_error" if is_ours else "invalid_request", "error_description": detail}
    return problem_http_response(status=status, code=code, detail=detail, **extra)
