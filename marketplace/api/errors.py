"""Turns every refusal into an RFC 9457 problem response."""

from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from devices.errors import DeviceError
from ledger.errors import LedgerError
from marketplace.api.problems import PROBLEM_TYPE, STATUS_BY_CODE, problem
from marketplace.errors import MarketError


class IdempotencyConflict(exceptions.APIException):
    status_code = 409
    default_code = "idempotency_conflict"
    default_detail = "This Idempotency-Key was used before with another request. Use a new key for a new request."


class IdempotencyInProgress(exceptions.APIException):
    status_code = 409
    default_code = "idempotency_in_progress"
    default_detail = "The first request with this Idempotency-Key is still being worked on. Try again in a moment."


class IdempotencyKeyInvalid(exceptions.APIException):
    status_code = 400
    default_code = "idempotency_key_invalid"
    default_detail = "An Idempotency-Key has 1 to 128 printable ASCII characters."


class CursorInvalid(exceptions.APIException):
    status_code = 400
    default_code = "cursor_invalid"
    default_detail = "This cursor was not made here for this list. Take it from next or previous of a page."


class BodyTooLarge(exceptions.APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = "The body has more bytes than are taken here."


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None for what is not a refusal, which then crashes as it should."""
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is nothing at this address, or it is not yours to see.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    elif isinstance(error, SuspiciousOperation | BadRequest):
        error = exceptions.ParseError("The request could not be read.")
    if isinstance(error, MarketError | DeviceError | LedgerError):
        set_rollback()
        status = STATUS_BY_CODE.get(error.code, 409)
        body = problem(status=status, code=error.code, detail=str(error), **error.details)
        return Response(body, status=status, content_type=PROBLEM_TYPE)
    if not isinstance(error, exceptions.APIException):
        return None
    set_rollback()
    return Response(_problem_of(error), status=error.status_code, headers=_headers(error), content_type=PROBLEM_TYPE)


def _problem_of(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        sentence = "Some of the fields are missing or wrong; errors names each."
        return problem(status=error.status_code, code="invalid", detail=sentence, errors=error.detail)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "refused"
    return problem(status=error.status_code, code=code, detail=str(error.detail))


def _headers(error: exceptions.APIException) -> dict[str, str]:
    headers: dict[str, str] = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait))
    return headers
