"""Hand out a file's bytes: whole or a range (RFC 9110, 14), a mebibyte at a time, for as long as they may be read."""

import base64
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from marketplace.access.errors import AccessError
from marketplace.access.services import authorise_token_id
from marketplace.addresses import client_address
from marketplace.delivery.doors.entrance import door
from marketplace.delivery.doors.handing_over import handing_over, is_handed_over
from marketplace.delivery.doors.links import SIGNATURE_PARAMETER, read_link
from marketplace.delivery.doors.unsent import limit_unsent_bytes
from marketplace.delivery.errors import DeliveryError, NameUnknown
from marketplace.delivery.evidence.table import find_evidence_file
from marketplace.delivery.tables.files import read_chunks
from marketplace.delivery.windows import TableFile, find_file

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 0.5
PARQUET = "application/vnd.apache.parquet"
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Stored:
    """A file of the default storage. It never changes."""

    path: str
    size: int
    sha256: bytes


@door("GET", "HEAD")
def sharing_file(request: HttpRequest, file_id: UUID) -> HttpResponseBase:
    """Readers come here without the token: the signed link names it, and it is asked again each time."""
    token_id = read_link(request.GET.get(SIGNATURE_PARAMETER, ""), file_id=file_id, at=timezone.now())

    def find() -> TableFile:
        grant = authorise_token_id(token_id, timezone.now(), client_address(request))
        try:
            return find_file(grant, file_id)
        except NameUnknown:
            evidence = find_evidence_file(grant, file_id)
            if evidence is None:
                raise
            return evidence

    file = find()
    response = file_response(request, Stored(file.path, file.size, file.sha256), ask_again=find)
    if file.is_whole:
        response["Link"] = f'<{reverse("file_proof", args=[file_id])}>; rel="proof"'
    return response


def etag_of(sha256: bytes) -> str:
    return f'"{sha256.hex()}"'


def file_response(
    request: HttpRequest,
    file: Stored,
    *,
    ask_again: Callable[[], object],
    content_type: str = PARQUET,
    can_be_cut: bool = False,
) -> HttpResponseBase:
    """ask_again: raises once the file may not be read any more. can_be_cut: see handing_over."""
    etag = etag_of(file.sha256)
    span = wanted_span(request, file)
    if span is None:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{file.size}"
    elif request.method != "HEAD" and is_handed_over(length=span[1], can_be_cut=can_be_cut):
        response = handing_over(file.path)
        response["Content-Type"] = content_type
        _add_digests(response, file, span)
    else:
        chunks = while_allowed(read_chunks(file.path, *span), ask_again)
        response = _bytes_response(request, chunks, span, file.size, content_type)
        _add_digests(response, file, span)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-store"
    return response


def wanted_span(request: HttpRequest, file: Stored) -> tuple[int, int] | None:
    """As asked_range, where the reader has this very file or names none."""
    etag = etag_of(file.sha256)
    is_this = request.headers.get("If-Range", etag) == etag
    return asked_range(request.headers.get("Range", "") if is_this else "", file.size)


def asked_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, length) of what to send, everything for a header that is absent or not understood.

    None when the range lies outside the file. Several ranges at once are answered with everything, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(header.replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return 0, size
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start = int(first)
    end = min(int(last) if last else size - 1, size - 1)
    if last and int(last) < start:
        return 0, size
    return (start, end - start + 1) if start < size else None


def while_allowed(chunks: Iterator[bytes], ask_again: Callable[[], object]) -> Iterator[bytes]:
    """Pass the chunks on, asking again before each one that comes half a second after the last answer.

    After a withdrawal the body ends too short, by which readers know that it is not whole.
    """
    answered_at = monotonic()
    for chunk in chunks:
        if monotonic() - answered_at >= ASK_AGAIN_SECONDS:
            try:
                ask_again()
            except (AccessError, DeliveryError) as error:
                logger.info("download.cut", extra={"code": error.code})
                return
            finally:
                _release_connection()
            answered_at = monotonic()
        yield chunk


def _bytes_response(
    request: HttpRequest, chunks: Iterator[bytes], span: tuple[int, int], size: int, content_type: str
) -> HttpResponseBase:
    start, length = span
    limit_unsent_bytes()
    _release_connection()
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=content_type)
    else:
        response = StreamingHttpResponse(chunks, content_type=content_type)
    response["Content-Length"] = str(length)
    # A proxy that takes the whole at once would go on with it after a withdrawal.
    response["X-Accel-Buffering"] = "no"
    if length != size:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
    return response


def _add_digests(response: HttpResponseBase, file: Stored, span: tuple[int, int]) -> None:
    """RFC 9530: of the whole file, and of what is sent where that is the whole file."""
    digest = f"sha-256=:{base64.b64encode(file.sha256).decode()}:"
    response["Repr-Digest"] = digest
    if span == (0, file.size):
        response["Content-Digest"] = digest


def _release_connection() -> None:
    """Give the database connection back before the bytes flow: a slow reader would hold it until the end."""
    if not connection.in_atomic_block:
        connection.close()
