"""Hand out evidence files: to whoever holds a token, and to the buyer on his page."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core import signing
from django.db import connection
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from devices.evidence import CONTENT_TYPE, SUFFIX
from marketplace.access.services import Grant, authorise_token_id
from marketplace.consents.models import Resolution
from marketplace.delivery.doors.downloads import while_allowed
from marketplace.delivery.doors.entrance import door, grant_of
from marketplace.delivery.doors.unsent import limit_unsent_bytes
from marketplace.delivery.errors import LinkInvalid, NameUnknown
from marketplace.delivery.evidence.finding import Evidence, evidence_lines, find_evidence, header_of, narrowed
from marketplace.delivery.models import DeliveryTable, Read
from marketplace.delivery.services import begin_delivery, count_read
from marketplace.delivery.tables.derivations import derived_lines

READ_PARAMETER = "of"
_SALT = "marketplace.delivery.proof-of-read"
# Small, because a server takes some ten of them ahead of a slow reader.
_PIECE_BYTES = 32 * 1024


@door("GET")
def evidence_file(request: HttpRequest, purchase_id: UUID) -> HttpResponseBase:
    """The evidence of what the token opens, or, with the parameter of a download, of exactly those rows."""
    grant = grant_of(request)
    if grant.purchase.public_id != purchase_id:
        raise NameUnknown
    return evidence_response(grant, read=request.GET.get(READ_PARAMETER, ""), at=timezone.now())


def proof_address(grant: Grant, *, start: datetime | None, until: datetime | None, at: datetime) -> str:
    """Return the path of the evidence of one download, for its Link rel="proof": its rows are not counted again."""
    span = [None if moment is None else moment.isoformat() for moment in (start, until, at)]
    read = signing.dumps([grant.purchase.public_id.hex, *span], salt=_SALT, compress=True)
    return f"{reverse('evidence_file', args=[grant.purchase.public_id])}?{urlencode({READ_PARAMETER: read})}"


def evidence_response(grant: Grant, *, read: str = "", at: datetime) -> HttpResponseBase:
    """Count it as a read of its rows, unless a download of the same rows was counted, and send it.

    The evidence of computed rows holds none of them, so nothing but the reading itself is counted.
    Raises: LinkInvalid, and what begin_delivery and count_read raise.
    """
    grant = begin_delivery(grant=grant, at=at)
    row_count = byte_count = 0
    if grant.consent.resolution == Resolution.RAW:
        evidence = _of_read(grant, read, at) if read else find_evidence(grant, at, received_until=_newest(grant))
        row_count, byte_count = 0 if read else evidence.row_count, evidence.byte_count
        lines = evidence_lines(evidence)
    else:
        lines = derived_lines(grant, header_of(grant, at), at)
    count_read(grant=grant, door=Read.Door.DOWNLOAD, row_count=row_count, byte_count=byte_count, at=at)
    token_id = grant.token.public_id
    limit_unsent_bytes()
    chunks = while_allowed(_pieces(lines), lambda: authorise_token_id(token_id, timezone.now()))
    response = StreamingHttpResponse(_releasing(chunks), content_type=CONTENT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="{grant.listing.share_name}{SUFFIX}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _newest(grant: Grant) -> datetime | None:
    """Until when everything is in the table: what came later would prove rows that nobody was given yet."""
    return DeliveryTable.objects.readings_of(grant.listing).values_list("refreshed_at", flat=True).first()


def _of_read(grant: Grant, read: str, at: datetime) -> Evidence:
    try:
        purchase, start, until, read_at = signing.loads(read, salt=_SALT)
    except signing.BadSignature as error:
        raise LinkInvalid from error
    if purchase != grant.purchase.public_id.hex:
        raise LinkInvalid
    start, until, read_at = (_moment(text) for text in (start, until, read_at))
    return find_evidence(narrowed(grant, start=start, until=until), at, received_until=read_at)


def _moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Join small lines, so that a server sends no packet for each."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= _PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def _releasing(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Give the database connection back before each piece goes out: a slow reader would hold it."""
    for chunk in chunks:
        if not connection.in_atomic_block:
            connection.close()
        yield chunk
