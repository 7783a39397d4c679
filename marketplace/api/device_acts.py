"""The acts of devices in the OpenAPI document. Their views are plain Django ones, which the generator does not see."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.urls import reverse

from devices import errors
from devices.envelope import MAX_ENVELOPE_BYTES
from marketplace.api.problems import PROBLEM_TYPE
from marketplace.api.views.devices import ENVELOPE_TYPES, STATUS_OF

Part = dict[str, Any]

TEXT: Part = {"type": "string"}
BASE64: Part = {"type": "string", "format": "byte"}
HEX: Part = {"type": "string", "pattern": "^[0-9a-f]+$"}
UUID: Part = {"type": "string", "format": "uuid"}
COUNT: Part = {"type": "integer", "minimum": 0}


def add_device_acts(result: Part, generator: object, request: object, public: bool) -> Part:
    """A postprocessing hook of drf-spectacular."""
    result["components"].setdefault("schemas", {}).update(SCHEMAS)
    acts = {reverse(name): {"post": act} for name, act in ACTS.items()}
    result["paths"] = dict(sorted({**result["paths"], **acts}.items()))
    return result


def _record(properties: Mapping[str, Part]) -> Part:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}


def _named(name: str) -> Part:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(name: str) -> Part:
    return {"application/json": {"schema": _named(name)}}


def _refusals(reasons: Iterable[type[errors.DeviceError]], others: Mapping[HTTPStatus, str]) -> Part:
    """Return a response for each status with the codes that it may carry."""
    codes: dict[HTTPStatus, list[str]] = {}
    for error in reasons:
        codes.setdefault(STATUS_OF.get(error, HTTPStatus.UNPROCESSABLE_ENTITY), []).append(error.code)
    for status, code in others.items():
        codes.setdefault(status, []).append(code)
    said = {str(status.value): f"{status.phrase}: {', '.join(found)}" for status, found in sorted(codes.items())}
    content = {PROBLEM_TYPE: {"schema": _named("ProblemOut")}}
    return {
        status: {"description": text, "content": content} for status, text in {**said, "default": "A refusal."}.items()
    }


def _act(*, title: str, text: str, body: Part, answers: Part, refusals: Part) -> Part:
    return {
        "operationId": title.lower().replace(" ", "_"),
        "summary": title,
        "description": text,
        "tags": ["devices"],
        # The signature says who sends; no key and no cookie counts.
        "security": [{}],
        "requestBody": {"required": True, "content": body},
        "responses": answers | refusals,
    }


SCHEMAS: dict[str, Part] = {
    "DeviceNonceIn": _record({"code": TEXT}),
    "DeviceNonce": _record({"nonce": BASE64}),
    "DeviceEnrolmentIn": _record({"code": TEXT, "public_key": BASE64, "nonce": BASE64, "proof": BASE64}),
    "DeviceEnrolment": _record({"device": UUID, "name": TEXT, "kind": TEXT, "issuer": TEXT, "key_id": HEX}),
    "BatchReceipt": _record(
        {
            "device": UUID,
            "sequence": COUNT,
            "reading_count": COUNT,
            "content_hash": HEX,
            "is_repeat": {"type": "boolean"},
        }
    ),
}
_JSON_REFUSALS = {
    HTTPStatus.BAD_REQUEST: "request_malformed",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type_unsupported",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}
ACTS: dict[str, Part] = {
    "device_nonce": _act(
        title="Ask for a nonce",
        text="The first half of an enrolment, with a claim code from the device's page. What to sign: docs/devices.md.",
        body=_json("DeviceNonceIn"),
        answers={"200": {"description": "A nonce, good for ten minutes.", "content": _json("DeviceNonce")}},
        refusals=_refusals([], _JSON_REFUSALS),
    ),
    "device_enrolment": _act(
        title="Enrol a device",
        text="The second half: the device's public key, and the proof that it holds the private one.",
        body=_json("DeviceEnrolmentIn"),
        answers={"201": {"description": "The key is the device's from now on.", "content": _json("DeviceEnrolment")}},
        refusals=_refusals(
            errors.EnrolmentError.__subclasses__(), _JSON_REFUSALS | {HTTPStatus.TOO_MANY_REQUESTS: "too_many_guesses"}
        ),
    ),
    "device_batches_upload": _act(
        title="Upload a signed batch",
        text=f"One COSE_Sign1 envelope of at most {MAX_ENVELOPE_BYTES:,} bytes around a SenML pack; docs/devices.md "
        "describes its parts. A batch is signed with the device's key, so it cannot be tried from this page.",
        body={kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(ENVELOPE_TYPES)},
        answers={
            "201": {"description": "Taken and kept.", "content": _json("BatchReceipt")},
            "200": {"description": "A repeat: taken before, with the same content.", "content": _json("BatchReceipt")},
        },
        refusals=_refusals(
            errors.BatchError.__subclasses__(), {HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "media_type_unsupported"}
        ),
    ),
}
