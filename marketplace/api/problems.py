"""RFC 9457 problem responses: one shape for every refusal of the API."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.http import HttpResponse

PROBLEM_TYPE = "application/problem+json"

# What a refusal's code means in HTTP. Everything else that was well-formed but refused is a 409.
STATUS_BY_CODE: Mapping[str, int] = {
    "insufficient_funds": 402,
    "account_held": 402,
    "provider_unreachable": 503,
    "own_listing": 403,
    "buyer_not_allowed": 403,
    "consent_not_yours": 403,
    "consent_without_devices": 422,
    "consent_without_fields": 422,
    "consent_without_purposes": 422,
    "narrowing_invalid": 422,
    "token_too_wide": 422,
    "purpose_unknown": 422,
    "resolution_unknown": 422,
    "delay_out_of_range": 422,
    "audience_incomplete": 422,
    "term_out_of_range": 422,
    "field_unknown": 422,
    "device_not_usable": 422,
    "listing_incomplete": 422,
    "plan_invalid": 422,
    "plans_conflict": 422,
    "too_many_plans": 422,
    "plan_not_offered": 422,
    "amount_out_of_range": 422,
    "amount_not_whole_cents": 422,
    "api_key_name_missing": 422,
}


def problem(*, status: int, code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """The members of a problem response. code is stable; detail is a sentence for a person."""
    return {
        "type": f"urn:ownstream:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        **extra,
    }


def problem_http_response(*, status: int, code: str, detail: str, **extra: Any) -> HttpResponse:
    """For plain Django views; DRF views raise and let marketplace.api.errors answer."""
    body = orjson.dumps(problem(status=status, code=code, detail=detail, **extra), default=str)
    return HttpResponse(body, status=status, content_type=PROBLEM_TYPE)
