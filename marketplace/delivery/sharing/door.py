"""The Delta Sharing server. A token sees one share (its listing) with one schema and its tables.

Those are the readings and, where they are sold as the devices sent them, the signed envelopes that they came in.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID, uuid5

import orjson
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from marketplace.access.services import Grant
from marketplace.consents.models import Resolution
from marketplace.delivery.doors.entrance import door, grant_of
from marketplace.delivery.doors.links import (
    LINK_SECONDS,
    SIGNATURE_PARAMETER,
    LinkSigner,
    Renewal,
    files_digest,
    read_renewal,
)
from marketplace.delivery.errors import ChangesUnsupported, NameUnknown, VersionGone
from marketplace.delivery.evidence.finding import find_evidence
from marketplace.delivery.evidence.table import COLUMNS as EVIDENCE_COLUMNS
from marketplace.delivery.evidence.table import evidence_files
from marketplace.delivery.models import Read
from marketplace.delivery.services import (
    begin_delivery,
    count_read,
    current_version,
    describe_table,
    files_for,
    record_read,
)
from marketplace.delivery.sharing import lines, protocol
from marketplace.delivery.sharing.protocol import EVIDENCE, SCHEMA, TABLE, Form
from marketplace.delivery.sharing.pruning import may_match, read_hints
from marketplace.delivery.versions import check_changes, check_version, version_at, version_since
from marketplace.delivery.windows import TableFile, changes_for


@door("GET")
def share_list(request: HttpRequest) -> HttpResponse:
    return _page(request, [_share(grant_of(request))])


@door("GET")
def share_page(request: HttpRequest, share: str) -> HttpResponse:
    return _json({"share": _share(_named(request, share))})


@door("GET")
def schema_list(request: HttpRequest, share: str) -> HttpResponse:
    grant = _named(request, share)
    return _page(request, [{"name": SCHEMA, "share": grant.listing.share_name}])


@door("GET")
def table_list(request: HttpRequest, share: str, schema: str = SCHEMA) -> HttpResponse:
    """Both the tables of a schema and, without a schema, all tables of a share."""
    grant = _named(request, share, schema)
    return _page(request, [_table(grant, name) for name in _tables(grant)])


@door("GET", "HEAD")
def table_version(request: HttpRequest, share: str, schema: str, table: str) -> HttpResponse:
    grant = _named(request, share, schema, table)
    since = request.GET.get("startingTimestamp")
    if since is None:
        version = current_version(grant.listing)
    else:
        version = version_since(grant, protocol.parse_timestamp("startingTimestamp", since))
    return _ndjson([], version, Form.PARQUET)


@door("GET")
def table_metadata(request: HttpRequest, share: str, schema: str, table: str) -> HttpResponse:
    grant = _named(request, share, schema, table)
    form = _form(request)
    return _ndjson(_head_lines(grant, form, table=table), current_version(grant.listing), form)


@door("POST")
def table_query(request: HttpRequest, share: str, schema: str, table: str) -> HttpResponse:
    """Answer with a link to each file of the table inside the purchase's window. This is what is metered."""
    at = timezone.now()
    grant = _named(request, share, schema, table)
    form = _form(request)
    query = protocol.parse_query(request.body)
    if table.lower() == EVIDENCE:
        return _tell_evidence(request, grant, query, at)
    if query.changes is not None:
        return _tell_changes(request, grant, query.changes, at)
    renewal = None
    if query.refresh_token:
        renewal = read_renewal(query.refresh_token, token_id=grant.token.public_id, at=at)
    version = _asked_version(grant, query) if renewal is None else check_version(grant, renewal.version)
    grant = begin_delivery(grant=grant, at=at)
    predicate = read_hints(json_predicate=query.json_predicate, conditions=query.conditions)
    files = [file for file in files_for(grant, version=version) if may_match(predicate, file)]
    files = _first_files(files, query.row_limit)
    digest = files_digest(file.public_id for file in files)
    if renewal is None or renewal.files != digest:
        record_read(grant=grant, door=Read.Door.DELTA_SHARING, files=files, at=at)
        renewal = Renewal(grant.token.public_id, version, digest, int(at.timestamp()))
    body = _head_lines(grant, form)
    body += [lines.file_line(form, action) for action in _file_actions(request, grant, files, at)]
    has_end = protocol.wants_end_of_stream(request.headers.get(protocol.CAPABILITIES_HEADER, ""))
    if has_end:
        refresh_token = renewal.text if query.wants_refresh_token else ""
        body.append(lines.end_line(expires_at=at + timedelta(seconds=LINK_SECONDS), refresh_token=refresh_token))
    return _ndjson(body, version, form, has_end=has_end)


@door("GET")
def table_changes(request: HttpRequest, share: str, schema: str, table: str) -> HttpResponse:
    """Answer with a link to each file of rows that the asked versions brought or took away. Metered as a query is."""
    grant = _named(request, share, schema, table)
    if table.lower() == EVIDENCE:
        raise ChangesUnsupported
    return _tell_changes(request, grant, protocol.parse_changes(request.GET.dict()), timezone.now())


@door("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
def unknown_address(request: HttpRequest) -> HttpResponse:
    grant_of(request)
    raise NameUnknown


def _tell_changes(request: HttpRequest, grant: Grant, asked: protocol.ChangeRange, at: datetime) -> HttpResponse:
    form = _form(request)
    first, last = _asked_changes(grant, asked)
    grant = begin_delivery(grant=grant, at=at)
    changes = changes_for(grant, first=first, last=last)
    record_read(grant=grant, door=Read.Door.DELTA_SHARING, files=[file for _, file in changes], at=at)
    body = _head_lines(grant, form, version=first)
    actions = _file_actions(request, grant, [file for _, file in changes], at)
    body += [lines.change_line(form, action, kind.value) for (kind, _), action in zip(changes, actions, strict=True)]
    return _ndjson(body, last, form)


def _tell_evidence(request: HttpRequest, grant: Grant, query: protocol.TableQuery, at: datetime) -> HttpResponse:
    """Envelopes show readings, so these are counted. Only the newest version has them: none can be cut to an older."""
    form = _form(request)
    version = current_version(grant.listing)
    if query.changes is not None:
        raise ChangesUnsupported
    if _asked_version(grant, query) != version:
        raise VersionGone
    if grant.purchase.clock_started_at is None:
        # Where there is none it is refused before the purchase begins to run.
        find_evidence(grant, at)
    grant = begin_delivery(grant=grant, at=at)
    found, shown_rows = evidence_files(grant, at=at)
    files = _first_files(found, query.row_limit)
    byte_count = sum(file.size for file in files)
    count_read(
        grant=grant,
        door=Read.Door.DELTA_SHARING,
        row_count=shown_rows if files else 0,
        byte_count=byte_count,
        at=at,
    )
    body = _head_lines(grant, form, table=EVIDENCE)
    body += [lines.file_line(form, action) for action in _file_actions(request, grant, files, at)]
    return _ndjson(body, version, form)


def _named(request: HttpRequest, share: str, schema: str = SCHEMA, table: str = TABLE) -> Grant:
    """Return the token's grant when the names, in any case, are its share's. Raises: NameUnknown."""
    grant = grant_of(request)
    if (share.lower(), schema.lower()) != (grant.listing.share_name.lower(), SCHEMA):
        raise NameUnknown
    if table.lower() not in _tables(grant):
        raise NameUnknown
    return grant


def _tables(grant: Grant) -> list[str]:
    return [TABLE, EVIDENCE] if grant.consent.resolution == Resolution.RAW else [TABLE]


def _table(grant: Grant, name: str) -> dict[str, str]:
    listing = grant.listing
    names = {"name": name, "schema": SCHEMA, "share": listing.share_name}
    return {**names, "shareId": str(listing.public_id), "id": _table_id(grant, name)}


def _table_id(grant: Grant, name: str) -> str:
    listing_id = grant.listing.public_id
    return str(listing_id if name == TABLE else uuid5(listing_id, name))


def _form(request: HttpRequest) -> Form:
    return protocol.choose_form(request.headers.get(protocol.CAPABILITIES_HEADER, ""))


def _share(grant: Grant) -> dict[str, str]:
    return {"name": grant.listing.share_name, "id": str(grant.listing.public_id)}


def _asked_version(grant: Grant, query: protocol.TableQuery) -> int:
    if query.version is not None:
        return check_version(grant, query.version)
    if query.timestamp is not None:
        return version_at(grant, query.timestamp)
    return current_version(grant.listing)


def _asked_changes(grant: Grant, asked: protocol.ChangeRange) -> tuple[int, int]:
    first = version_since(grant, asked.start) if isinstance(asked.start, datetime) else asked.start
    last = version_at(grant, asked.end) if isinstance(asked.end, datetime) else asked.end
    return check_changes(grant, first, last)


def _first_files(files: list[TableFile], row_limit: int | None) -> list[TableFile]:
    """Return as many files as hold the rows that the reader wants; a hint, so it may be more."""
    if row_limit is None:
        return files
    sums = accumulate(file.row_count for file in files)
    enough = next((number for number, rows in enumerate(sums, 1) if rows >= row_limit), len(files))
    return files[:enough] if row_limit else []


def _head_lines(grant: Grant, form: Form, version: int | None = None, table: str = TABLE) -> list[bytes]:
    name = table.lower()
    columns = EVIDENCE_COLUMNS if name == EVIDENCE else describe_table(grant.consent, grant.fields)
    metadata = lines.metadata_line(
        form,
        table_id=_table_id(grant, name),
        name=name,
        description=grant.listing.title,
        fields=[lines.SchemaField(column.name, column.kind, column.unit, column.field) for column in columns],
        version=version,
    )
    return [lines.protocol_line(form), metadata]


def _file_actions(
    request: HttpRequest, grant: Grant, files: Iterable[TableFile], at: datetime
) -> Iterator[lines.FileAction]:
    signer = LinkSigner(token_id=grant.token.public_id, at=at)
    # The address is made once: of a thousand files it would take half of the answer's time.
    sample = UUID(int=0)
    before, after = request.build_absolute_uri(reverse("sharing_file", args=[sample])).split(str(sample))
    for file in files:
        yield lines.FileAction(
            url=f"{before}{file.public_id}{after}?{SIGNATURE_PARAMETER}={signer.sign(file.public_id)}",
            id=file.public_id.hex,
            size=file.size,
            row_count=file.row_count,
            first_at=file.first_at,
            last_at=file.last_at,
            version=file.version,
            added_at=file.added_at,
            expires_at=at + timedelta(seconds=LINK_SECONDS),
        )


def _page(request: HttpRequest, items: list[dict[str, str]]) -> HttpResponse:
    most, token = request.GET.get("maxResults", ""), request.GET.get("pageToken", "")
    return _json(protocol.page(items, most=most, token=token))


def _json(content: dict[str, Any]) -> HttpResponse:
    response = HttpResponse(orjson.dumps(content), content_type="application/json; charset=utf-8")
    response["Cache-Control"] = "no-store"
    return response


def _ndjson(body: list[bytes], version: int, form: Form, *, has_end: bool = False) -> HttpResponse:
    response = HttpResponse(b"".join(body), content_type=protocol.NDJSON)
    response[protocol.VERSION_HEADER] = str(version)
    if has_end:
        response[protocol.CAPABILITIES_HEADER] = f"responseformat={form.value};includeEndStreamAction=true"
    elif form is Form.DELTA:
        # Readers take the header's absence for the Parquet form.
        response[protocol.CAPABILITIES_HEADER] = f"responseformat={form.value}"
    response["Cache-Control"] = "no-store"
    return response
