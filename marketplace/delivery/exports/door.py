"""A bought table as one file, in the form that the reader asks for: whole, in ranges, resumed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response

from marketplace.access.services import Grant
from marketplace.addresses import client_address
from marketplace.delivery.doors.downloads import Stored, etag_of, file_response, wanted_span
from marketplace.delivery.doors.entrance import door, grant_of
from marketplace.delivery.errors import FormNotOffered, NameUnknown, RequestRefused, SpanInvalid
from marketplace.delivery.evidence.door import proof_address
from marketplace.delivery.exports.formats import FORMS, MEDIA_TYPES, Format
from marketplace.delivery.exports.making import Wish, check_readable, count_once, part_of, prepared_export
from marketplace.delivery.models import Export
from marketplace.delivery.services import begin_delivery
from marketplace.listings.models import Listing

_MOST_COLUMNS = 500


@door("GET", "HEAD")
def readings_file(request: HttpRequest, purchase_id: UUID) -> HttpResponseBase:
    """What the token opens. A part of it: ?from=, until=, columns=, version=; its form: ?format=, or Accept."""
    grant = grant_of(request)
    if grant.purchase.public_id != purchase_id:
        raise NameUnknown
    return export_response(request, grant, wish_of(request.GET, form_of(request)))


def form_of(request: HttpRequest) -> Format:
    """What the address asks for, or else the Accept header; Parquet when both leave it open. Raises: FormNotOffered."""
    if asked := request.GET.get("format", ""):
        try:
            return Format(asked.lower())
        except ValueError as error:
            raise FormNotOffered from error
    preferred = request.get_preferred_type(list(MEDIA_TYPES))
    if preferred is None:
        raise FormNotOffered
    return MEDIA_TYPES[preferred]


def wish_of(asked: QueryDict, form: Format) -> Wish:
    """Raises: SpanInvalid, ColumnUnknown, RequestRefused."""
    start, until = _moment(asked.get("from", "")), _moment(asked.get("until", ""))
    if start is not None and until is not None and start >= until:
        raise SpanInvalid
    names = [name.strip() for part in asked.getlist("columns") for name in part.split(",") if name.strip()]
    if len(names) > _MOST_COLUMNS:
        raise RequestRefused(f"Ask for at most {_MOST_COLUMNS} columns.")
    version = asked.get("version", "")
    if version and not (version.isascii() and version.isdigit() and len(version) < 18):
        raise RequestRefused("version must be a whole number.")
    return Wish(form, start, until, tuple(names) or None, int(version) if version else None)


def export_response(request: HttpRequest, grant: Grant, wish: Wish) -> HttpResponseBase:
    """Send what a grant opens of a wish, once it is prepared. Counted before the first byte.

    HEAD and a range beyond the end count nothing.

    Raises: what begin_delivery, prepared_export and count_once raise.
    """
    at = timezone.now()
    if request.method != "HEAD":
        if grant.purchase.clock_started_at is None:
            # What can't be is refused before the purchase begins to run.
            part_of(grant, wish)
        grant = begin_delivery(grant=grant, at=at)
    export = prepared_export(grant, wish, at)
    assert export.sha256 is not None
    stored = Stored(export.path, export.size, bytes(export.sha256))
    response: HttpResponseBase | None = get_conditional_response(request, etag=etag_of(stored.sha256))
    if response is not None:
        # The reader has it, or wants another.
        response["ETag"] = etag_of(stored.sha256)
        return response
    if request.method != "HEAD" and wanted_span(request, stored) is not None:
        count_once(export, grant, at)
    token_id, address = grant.token.public_id, client_address(request)
    response = file_response(
        request,
        stored,
        ask_again=lambda: check_readable(export, token_id, address, timezone.now()),
        content_type=FORMS[wish.form].media_type,
        can_be_cut=True,
    )
    _describe(response, grant, export, wish)
    return response


def export_name(listing: Listing, export: Export) -> str:
    """A name of its own for each content: curl goes on with whatever file has the name, also with another part."""
    content = bytes(export.sha256 or b"").hex()[:8]
    return f"{listing.share_name}-v{export.version}-{content}.{FORMS[Format(export.form)].suffix}"


def _describe(response: HttpResponseBase, grant: Grant, export: Export, wish: Wish) -> None:
    response["Content-Disposition"] = f'attachment; filename="{export_name(grant.listing, export)}"'
    response["Vary"] = "Accept"
    response["Delta-Table-Version"] = str(export.version)
    proof = proof_address(grant, start=wish.start, until=wish.until, at=export.data_until)
    response["Link"] = f'<{proof}>; rel="proof"'


def _moment(text: str) -> datetime | None:
    """A + of a zone that came as a space is read as one. Raises: SpanInvalid."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise SpanInvalid from error
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_default_timezone())
