"""What devices call: enrol, and upload signed batches. Plain views, because uploads are the hot path."""

import logging
import threading
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

import msgspec
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from redis.exceptions import RedisError

from devices import errors
from devices.didkey import did_key, key_id
from devices.envelope import MAX_ENVELOPE_BYTES
from devices.services import accept_batch, issue_nonce
from marketplace.accounts.services import enrol_owned_device
from marketplace.addresses import client_address
from marketplace.api.problems import problem_http_response

logger = logging.getLogger(__name__)

ENVELOPE_TYPES = frozenset({"application/cose", "application/cbor", "application/octet-stream"})
JSON_TYPES = frozenset({"application/json"})
MAX_JSON_BYTES = 4096
DISCARDED_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
GUESSES = 10
GUESS_WINDOW_SECONDS = 600
# More threads of one process only fight for the interpreter: 32 took a fifth less. Whoever waits here has no database
# connection yet, and his body was read before, so that a slow line holds nobody up.
UPLOADS_AT_ONCE = 6
_uploads = threading.BoundedSemaphore(UPLOADS_AT_ONCE)

STATUS_OF: dict[type[errors.DeviceError], HTTPStatus] = {
    errors.EnvelopeMalformed: HTTPStatus.BAD_REQUEST,
    errors.SignatureInvalid: HTTPStatus.FORBIDDEN,
    errors.KeyUnknown: HTTPStatus.FORBIDDEN,
    errors.DeviceRetired: HTTPStatus.FORBIDDEN,
    errors.SequenceConflict: HTTPStatus.CONFLICT,
    errors.ClockSkew: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.BatchTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.TooManyBatches: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyReadings: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.SenmlMalformed: HTTPStatus.BAD_REQUEST,
    errors.UnitChanged: HTTPStatus.CONFLICT,
    errors.ClaimUnknown: HTTPStatus.NOT_FOUND,
    errors.ClaimUsed: HTTPStatus.CONFLICT,
    errors.ClaimExpired: HTTPStatus.GONE,
    errors.NonceInvalid: HTTPStatus.BAD_REQUEST,
    errors.ProofInvalid: HTTPStatus.FORBIDDEN,
    errors.KeyTaken: HTTPStatus.CONFLICT,
    errors.DeviceEnrolled: HTTPStatus.CONFLICT,
}

View = Callable[[HttpRequest], HttpResponse]
Body = TypeVar("Body")


class RequestRefused(Exception):
    """A request that is refused before a service is asked."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers


class NonceRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str


class EnrolmentRequest(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    public_key: str
    nonce: str
    proof: str


_READ_NONCE_REQUEST = msgspec.json.Decoder(NonceRequest)
_READ_ENROLMENT_REQUEST = msgspec.json.Decoder(EnrolmentRequest)


def device_endpoint(view: View) -> View:
    """POST only, no CSRF token (no cookie counts here), and every refusal as problem+json (RFC 9457)."""

    @csrf_exempt
    def endpoint(request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return problem(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", "Use POST here.", Allow="POST")
        try:
            return view(request)
        except errors.DeviceError as error:
            logger.info("device.refused", extra={"code": error.code})
            status = STATUS_OF.get(type(error), HTTPStatus.UNPROCESSABLE_ENTITY)
            return problem(status, error.code, str(error), **retry_header(error))
        except RequestRefused as refusal:
            return problem(refusal.status, refusal.code, str(refusal), **refusal.headers)

    endpoint.__name__ = view.__name__
    return endpoint


def retry_header(error: errors.DeviceError) -> dict[str, str]:
    return {"Retry_After": str(error.retry_after_seconds)} if isinstance(error, errors.TooManyBatches) else {}


@device_endpoint
def device_nonce(request: HttpRequest) -> HttpResponse:
    asked = read_json(request, _READ_NONCE_REQUEST)
    nonce = issue_nonce(code=asked.code, at=timezone.now())
    return answer({"nonce": b64encode(nonce).decode()})


@device_endpoint
def device_enrolment(request: HttpRequest) -> HttpResponse:
    refuse_guessing(request)
    asked = read_json(request, _READ_ENROLMENT_REQUEST)
    public_key = read_base64("public_key", asked.public_key)
    try:
        device = enrol_owned_device(
            code=asked.code,
            public_key=public_key,
            proof=read_base64("proof", asked.proof),
            nonce=read_base64("nonce", asked.nonce),
            at=timezone.now(),
        )
    except errors.ClaimUnknown:
        count_guess(request)
        raise
    body = {
        "device": str(device.public_id),
        "name": device.name,
        "kind": device.kind,
        "issuer": did_key(public_key),
        "key_id": key_id(public_key).hex(),
    }
    return answer(body, HTTPStatus.CREATED)


@device_endpoint
def device_batches(request: HttpRequest) -> HttpResponse:
    envelope = read_body(request, ENVELOPE_TYPES, MAX_ENVELOPE_BYTES)
    with _uploads:
        receipt = accept_batch(envelope=envelope, at=timezone.now())
    body = {
        "device": str(receipt.device_public_id),
        "sequence": receipt.sequence,
        "reading_count": receipt.reading_count,
        "content_hash": receipt.content_hash.hex(),
        "is_repeat": receipt.is_repeat,
    }
    return answer(body, HTTPStatus.OK if receipt.is_repeat else HTTPStatus.CREATED)


def answer(body: Mapping[str, object], status: HTTPStatus = HTTPStatus.OK) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(body), status=status, content_type="application/json")


def problem(status: HTTPStatus, code: str, detail: str, **headers: str) -> HttpResponse:
    response = problem_http_response(status=status, code=code, detail=detail)
    for name, text in headers.items():
        response.headers[name.replace("_", "-")] = text
    return response


def read_body(request: HttpRequest, types: frozenset[str], limit: int) -> bytes:
    """Return the body, reading no more than `limit` bytes of it."""
    if request.content_type not in types:
        wanted = " or ".join(sorted(types))
        raise RequestRefused(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media_type_unsupported", f"The content type must be {wanted}."
        )
    length = request.META.get("CONTENT_LENGTH") or "0"
    try:
        if length.isdigit() and int(length) > limit:
            discard_body(request, int(length))
            raise too_large(limit)
        body = request.read(limit + 1)
    except (UnreadablePostError, OSError) as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "body_unreadable", "The body did not come in whole.") from error
    if len(body) > limit:
        raise too_large(limit)
    return body


def discard_body(request: HttpRequest, length: int) -> None:
    """Take a body that is somewhat too large off the line, keeping none of it.

    Most clients look at an answer only after they have sent everything: cut off, they would never learn the reason.
    """
    if length <= DISCARDED_BYTES:
        while request.read(CHUNK_BYTES):
            pass


def too_large(limit: int) -> Exception:
    if limit == MAX_ENVELOPE_BYTES:
        return errors.BatchTooLarge()
    return RequestRefused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"The body has more than {limit:,} bytes."
    )


def read_json(request: HttpRequest, decoder: "msgspec.json.Decoder[Body]") -> Body:
    try:
        return decoder.decode(read_body(request, JSON_TYPES, MAX_JSON_BYTES))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "request_malformed", f"The body is wrong: {error}") from error


def read_base64(name: str, text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "request_malformed", f"{name} is not base64.") from error


def refuse_guessing(request: HttpRequest) -> None:
    """Refuse an address that tried too many claim codes that do not exist."""
    try:
        is_guessing = cache.get(guess_key(request), 0) >= GUESSES
    except RedisError:
        # 40 bits within ten minutes are safe without the limit too, so a lost cache need not stop enrolments.
        logger.warning("device.guess_limit_lost")
        return
    if is_guessing:
        raise RequestRefused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_guesses",
            "Too many claim codes that do not exist came from this address. Try again in ten minutes.",
            Retry_After=str(GUESS_WINDOW_SECONDS),
        )


def count_guess(request: HttpRequest) -> None:
    try:
        cache.add(guess_key(request), 0, GUESS_WINDOW_SECONDS)
        cache.incr(guess_key(request))
    except (RedisError, ValueError):
        logger.warning("device.guess_limit_lost")


def guess_key(request: HttpRequest) -> str:
    return f"devices:guesses:{client_address(request)}"
