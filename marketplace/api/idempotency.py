"""Idempotency-Key on POST: a repeat gets the first answer, and the act happens once.

The claim on the key and the act commit together, so a crash in between leaves neither. Secrets (a token, a key, a code)
are blanked in the stored answer: they are shown once, and a repeat only tells what was made.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.models import User
from marketplace.api.errors import IdempotencyConflict, IdempotencyInProgress, IdempotencyKeyInvalid
from marketplace.api.models import IdempotentRequest

# Who has had no answer for two days does not send the same request again.
ANSWERS_KEPT = timedelta(days=2)
P = ParamSpec("P")
V = TypeVar("V", bound=APIView)
PostMethod = Callable[Concatenate[V, Request, P], Response]


def idempotent(*, secrets: Sequence[str] = ()) -> Callable[[PostMethod[V, P]], PostMethod[V, P]]:
    """Decorate a post method. secrets: members of the answer that are not stored."""

    def decorate(post: PostMethod[V, P]) -> PostMethod[V, P]:
        @wraps(post)
        def answer(view: V, request: Request, *args: P.args, **kwargs: P.kwargs) -> Response:
            key = request.headers.get("Idempotency-Key")
            if key is None:
                return post(view, request, *args, **kwargs)
            if not (1 <= len(key) <= 128 and key.isascii() and key.isprintable()):
                raise IdempotencyKeyInvalid
            return _answer_once(key, request, secrets, lambda: post(view, request, *args, **kwargs))

        return cast("PostMethod[V, P]", answer)

    return decorate


def _answer_once(key: str, request: Request, secrets: Sequence[str], act: Callable[[], Response]) -> Response:
    now = timezone.now()
    with transaction.atomic():
        claim = _claim(request, key, now)
        if claim.status is not None:
            return Response(orjson.loads(claim.body or b"null"), status=claim.status)
        response = act()
        claim.status = response.status_code
        claim.body = orjson.dumps(_without(response.data, secrets), default=str)
        claim.save(update_fields=["status", "body"])
    return response


def forget_answers(*, at: datetime) -> int:
    """Delete the answers that are kept no longer, and return how many. Their keys may then be used anew."""
    deleted, _ = IdempotentRequest.objects.filter(created_at__lt=at - ANSWERS_KEPT).delete()
    return deleted


def _claim(request: Request, key: str, now: datetime) -> IdempotentRequest:
    """Insert the key, or find the answer given before. A second request waits for the first one's commit."""
    user, request_hash = request.user, _request_hash(request)
    assert isinstance(user, User)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '5s'")
            claim = IdempotentRequest.objects.create(user=user, key=key, request_hash=request_hash, created_at=now)
            cursor.execute("SET LOCAL lock_timeout = 0")
            return claim
    except IntegrityError:
        earlier = IdempotentRequest.objects.get(user=user, key=key)
    except OperationalError as error:
        raise IdempotencyInProgress from error
    if bytes(earlier.request_hash) != request_hash:
        raise IdempotencyConflict
    return earlier


def _request_hash(request: Request) -> bytes:
    """Of the very bytes that came: what they mean may be more than any encoder takes."""
    return hashlib.sha256(b"\n".join([request.path.encode(), request.body])).digest()


def _without(body: Any, secrets: Sequence[str]) -> Any:
    if not isinstance(body, dict):
        return body
    return {name: None if name in secrets else value for name, value in body.items()}
