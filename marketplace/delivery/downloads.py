"""Hand out a file's bytes: whole or a range (RFC 9110, 14), a mebibyte at a time."""

import re
from uuid import UUID

from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from marketplace.access.services import authorise_token_id
from marketplace.delivery.doors import door
from marketplace.delivery.files import read_chunks
from marketplace.delivery.links import SIGNATURE_PARAMETER, read_link
from marketplace.delivery.windows import TableFile, find_file

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@door("GET", "HEAD")
def sharing_file(request: HttpRequest, file_id: UUID) -> HttpResponseBase:
    """Readers come here without the token: the signed link names it, and it is asked again each time."""
    token_id = read_link(request.GET.get(SIGNATURE_PARAMETER, ""), file_id=file_id)
    grant = authorise_token_id(token_id, timezone.now())
    return file_response(request, find_file(grant, file_id))


def file_response(request: HttpRequest, file: TableFile) -> HttpResponseBase:
    etag = f'"{file.sha256.hex()}"'
    wanted = request.headers.get("Range", "")
    if request.headers.get("If-Range", etag) != etag:
        wanted = ""
    span = asked_range(wanted, file.size)
    if span is None:
        response: HttpResponseBase = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{file.size}"
    else:
        response = _bytes_response(request, file, *span, is_part=span != (0, file.size))
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-store"
    return response


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


def _bytes_response(
    request: HttpRequest, file: TableFile, start: int, length: int, *, is_part: bool
) -> HttpResponseBase:
    _release_connection()
    content_type = "application/vnd.apache.parquet"
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=content_type)
    else:
        response = StreamingHttpResponse(read_chunks(file.path, start, length), content_type=content_type)
    response["Content-Length"] = str(length)
    if is_part:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{start + length - 1}/{file.size}"
    return response


def _release_connection() -> None:
    """Give the database connection back before the bytes flow: a slow reader would hold it until the end."""
    if not connection.in_atomic_block:
        connection.close()
