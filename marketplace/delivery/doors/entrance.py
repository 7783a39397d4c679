"""What every door over HTTP has in common: read the token, answer refusals in the protocol's shape, brake guessing."""

import functools
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from marketplace.access.errors import AccessError, RateExceeded, TokenMissing, TokenUnknown
from marketplace.access.services import DELEGATED_PREFIX, LONGEST_DELEGATED, Grant, authorise
from marketplace.addresses import client_address
from marketplace.delivery.errors import (
    DeliveryError,
    ExportUnderWay,
    LinkExpired,
    LinkInvalid,
    ProofWaits,
    RequestRefused,
    TableRebuilding,
    VersionGone,
)
from marketplace.delivery.oauth.metadata import area_of, resource_address
from marketplace.delivery.sharing.protocol import error_body

logger = logging.getLogger(__name__)

REALM = "ownstream"
FAILURES_A_MINUTE = 60
_WINDOW_SECONDS = 60
_LONGEST_TOKEN = 200
_REBUILT_WITHIN_SECONDS = "30"
_PREPARED_WITHIN_SECONDS = "2"
_RECORDED_WITHIN_SECONDS = "600"

View = Callable[..., HttpResponseBase]


class TooManyFailures(DeliveryError):
    code = "too_many_attempts"
    sentence = "Too many requests with tokens that are not known here. Wait a minute."


def door(*methods: str) -> Callable[[View], View]:
    """Make a view a door for programs: no cookies, so no CSRF; refusals become {errorCode, message}."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @functools.wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method not in methods:
                response = refusal(405, "METHOD_NOT_ALLOWED", f"Use {' or '.join(methods)} here.")
                response["Allow"] = ", ".join(methods)
                return response
            try:
                return view(request, *args, **kwargs)
            except (AccessError, DeliveryError) as error:
                return refuse(error, request.path)
            except RequestDataTooBig:
                return refusal(400, "MALFORMED_REQUEST", "The body is too large.")

        return answer

    return decorate


def token_of(request: HttpRequest) -> str:
    """Return the bearer token. Raises: TokenMissing."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > _longest(token):
        raise TokenMissing
    return token


def _longest(token: str) -> int:
    return LONGEST_DELEGATED if token.startswith(DELEGATED_PREFIX) else _LONGEST_TOKEN


def grant_of(request: HttpRequest, at: datetime | None = None) -> Grant:
    """Ask what the request's token opens now. Raises what authorise raises, TokenMissing, TooManyFailures."""
    try:
        return authorise(token=token_of(request), at=at or timezone.now(), address=client_address(request))
    except TokenUnknown:
        brake_guessing(request)
        raise


def brake_guessing(request: HttpRequest) -> None:
    """Count a failed attempt. Raises TooManyFailures above the limit.

    Only failures are braked: clients with good tokens may share an address with one that guesses.
    """
    key = f"door-failures:{client_address(request)}"
    try:
        cache.add(key, 0, _WINDOW_SECONDS)
        count = cache.incr(key)
    except (RedisError, ValueError):
        # A token cannot be guessed anyway; without the cache the refusal stands as it is.
        return
    if count > FAILURES_A_MINUTE:
        raise TooManyFailures


def refuse(error: AccessError | DeliveryError, path: str = "") -> HttpResponse:
    """path: what was asked for, by which the challenge names the door."""
    if isinstance(error, AccessError):
        logger.info("door.refused", extra={"code": error.code})
        response = refusal(error.http_status, error.code, str(error))
        if isinstance(error, RateExceeded):
            response["Retry-After"] = str(error.details["retry_after_seconds"])
        else:
            response["WWW-Authenticate"] = challenge(error, path)
        return response
    if isinstance(error, TooManyFailures):
        response = refusal(429, error.code, str(error))
        response["Retry-After"] = str(_WINDOW_SECONDS)
        return response
    if isinstance(error, (LinkInvalid, LinkExpired)):
        return refusal(403, error.code, str(error))
    if isinstance(error, RequestRefused):
        response = refusal(error.http_status, error.code, str(error))
        if isinstance(error, TableRebuilding):
            response["Retry-After"] = _REBUILT_WITHIN_SECONDS
        if isinstance(error, ExportUnderWay):
            response["Retry-After"] = _PREPARED_WITHIN_SECONDS
        if isinstance(error, ProofWaits):
            response["Retry-After"] = _RECORDED_WITHIN_SECONDS
        return response
    code = "RESOURCE_GONE" if isinstance(error, VersionGone) else "INVALID_PARAMETER_VALUE"
    return refusal(400, code, str(error))


def challenge(error: AccessError, path: str = "") -> str:
    """Return the WWW-Authenticate value of RFC 6750, section 3, with where a client learns more (RFC 9728, 5.1)."""
    place = f'Bearer realm="{REALM}", resource_metadata="{resource_address(area_of(path))}"'
    if not error.error:
        return place
    description = str(error).replace('"', "'")
    return f'{place}, error="{error.error}", error_description="{description}"'


def refusal(status: int, code: str, message: str) -> HttpResponse:
    response = HttpResponse(error_body(code, message), content_type="application/json; charset=utf-8", status=status)
    response["Cache-Control"] = "no-store"
    return response
