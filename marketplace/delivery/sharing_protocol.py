"""The bytes of the Delta Sharing protocol, pure: what is asked and what is answered, in its Parquet form.

Source: delta-io/delta-sharing, PROTOCOL.md.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from marketplace.delivery.errors import BodyMalformed, ChangesUnsupported, FormatUnsupported, RequestRefused

NDJSON = "application/x-ndjson; charset=utf-8"
VERSION_HEADER = "Delta-Table-Version"
CAPABILITIES_HEADER = "delta-sharing-capabilities"
SCHEMA, TABLE = "data", "readings"
_MOST_ITEMS = 500


@dataclass(frozen=True)
class SchemaField:
    """kind: one of Delta's primitive types."""

    name: str
    kind: str
    unit: str
    source: str


@dataclass(frozen=True)
class FileAction:
    """A file of the answer. expires_at is the link's end."""

    url: str
    id: str
    size: int
    row_count: int
    first_at: datetime
    last_at: datetime
    version: int
    added_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class TableQuery:
    """The body of a query; at most one of version and timestamp is set."""

    version: int | None
    timestamp: datetime | None
    row_limit: int | None
    json_predicate: str


def protocol_line() -> bytes:
    return _line({"protocol": {"minReaderVersion": 1}})


def metadata_line(*, table_id: str, name: str, description: str, fields: Sequence[SchemaField]) -> bytes:
    metadata = {
        "id": table_id,
        "name": name,
        "description": description,
        "format": {"provider": "parquet"},
        "schemaString": schema_string(fields),
        "partitionColumns": [],
        "configuration": {},
    }
    return _line({"metaData": metadata})


def schema_string(fields: Sequence[SchemaField]) -> str:
    """Return Delta's schema as JSON; a column's unit and source name are in its metadata."""
    columns = [
        {"name": field.name, "type": field.kind, "nullable": field.kind == "double", "metadata": _column_notes(field)}
        for field in fields
    ]
    return orjson.dumps({"type": "struct", "fields": columns}).decode()


def file_line(action: FileAction) -> bytes:
    return _line(
        {
            "file": {
                "url": action.url,
                "id": action.id,
                "partitionValues": {},
                "size": action.size,
                "stats": stats_string(action),
                "version": action.version,
                "timestamp": milliseconds(action.added_at),
                "expirationTimestamp": milliseconds(action.expires_at),
            }
        }
    )


def stats_string(action: FileAction) -> str:
    """Return Delta's statistics. It keeps times in milliseconds, so the highest is rounded up to stay a bound."""
    stats = {
        "numRecords": action.row_count,
        "minValues": {"time": _instant(action.first_at)},
        "maxValues": {"time": _instant(action.last_at + timedelta(microseconds=999))},
        "nullCount": {"time": 0, "device": 0},
    }
    return orjson.dumps(stats).decode()


def page(items: Sequence[dict[str, str]], *, most: str, token: str) -> dict[str, Any]:
    """Return one page of a list. most and token as they came in the address, empty when absent."""
    start = _page_start(token, len(items))
    count = _whole_number("maxResults", most) if most else _MOST_ITEMS
    answer: dict[str, Any] = {"items": list(items[start : start + count])}
    if start + count < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(start + count).encode()).decode()
    return answer


def check_capabilities(header: str) -> None:
    """Refuse a reader that takes Delta's log form only, instead of giving it an answer that it cannot read.

    header: such as "responseformat=delta,parquet;readerfeatures=..."; absent means Parquet.
    """
    for part in header.lower().split(";"):
        name, _, formats = part.partition("=")
        if name.strip() == "responseformat" and "parquet" not in {one.strip() for one in formats.split(",")}:
            raise FormatUnsupported


def parse_query(body: bytes) -> TableQuery:
    """Read a query's body. Hints that make no sense are ignored: they only ever make an answer smaller.

    Raises: BodyMalformed, ChangesUnsupported, RequestRefused.
    """
    try:
        content = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BodyMalformed("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BodyMalformed
    if content.get("startingVersion") is not None or content.get("endingVersion") is not None:
        raise ChangesUnsupported
    version, timestamp = content.get("version"), content.get("timestamp")
    if version is not None and timestamp is not None:
        raise RequestRefused("Give either a version or a timestamp, not both.")
    if version is not None and not _is_count(version):
        raise RequestRefused("version must be a whole number.")
    limit, predicate = content.get("limitHint"), content.get("jsonPredicateHints")
    return TableQuery(
        version=version,
        timestamp=None if timestamp is None else parse_timestamp("timestamp", timestamp),
        row_limit=limit if _is_count(limit) else None,
        json_predicate=predicate if isinstance(predicate, str) else "",
    )


def parse_timestamp(name: str, text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise RequestRefused(f"{name} must be a time such as 2026-01-31T12:00:00Z.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def error_body(code: str, message: str) -> bytes:
    return orjson.dumps({"errorCode": code, "message": message})


def join_lines(lines: Iterable[bytes]) -> bytes:
    return b"".join(lines)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _column_notes(field: SchemaField) -> dict[str, str]:
    notes = {"unit": field.unit, "source": field.source} if field.kind == "double" else {}
    return {name: note for name, note in notes.items() if note}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _page_start(token: str, length: int) -> int:
    if not token:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        start = -1
    if not 0 <= start < length:
        raise RequestRefused("pageToken is not one that was given out here.")
    return start


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise RequestRefused(f"{name} must be a whole number.")
    return int(text)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
