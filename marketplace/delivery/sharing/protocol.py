"""What a Delta Sharing client asks, pure, and the lists and refusals that it is answered. lines.py has the rest.

Source: delta-io/delta-sharing, PROTOCOL.md.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import orjson

from marketplace.delivery.errors import BodyMalformed, FormatUnsupported, RequestRefused

NDJSON = "application/x-ndjson; charset=utf-8"
VERSION_HEADER = "Delta-Table-Version"
CAPABILITIES_HEADER = "delta-sharing-capabilities"
SCHEMA, TABLE, EVIDENCE = "data", "readings", "evidence"
_MOST_ITEMS = 500


class Form(Enum):
    """How an answer's lines are written: in the protocol's own form, or as those of a Delta table's log."""

    PARQUET = "parquet"
    DELTA = "delta"


@dataclass(frozen=True)
class ChangeRange:
    """Which versions' changes are wanted, by number or time, both included; no end means up to now."""

    start: int | datetime
    end: int | datetime | None


@dataclass(frozen=True)
class TableQuery:
    """The body of a query; at most one of version, timestamp and changes is set.

    conditions: as they came, in SQL. refresh_token: of the answer whose links are to be renewed.
    """

    version: int | None = None
    timestamp: datetime | None = None
    row_limit: int | None = None
    json_predicate: str = ""
    conditions: Sequence[object] = ()
    changes: ChangeRange | None = None
    refresh_token: str = ""
    wants_refresh_token: bool = False


def page(items: Sequence[dict[str, str]], *, most: str, token: str) -> dict[str, Any]:
    """Return one page of a list. most and token as they came in the address, empty when absent."""
    start = _page_start(token, len(items))
    count = _whole_number("maxResults", most) if most else _MOST_ITEMS
    answer: dict[str, Any] = {"items": list(items[start : start + count])}
    if start + count < len(items):
        answer["nextPageToken"] = base64.urlsafe_b64encode(str(start + count).encode()).decode()
    return answer


def choose_form(header: str) -> Form:
    """Return the form of the answer: Delta's log lines, which save requests, to whoever takes them.

    header: such as "responseformat=delta,parquet;readerfeatures=..."; absent means Parquet. Raises: FormatUnsupported.
    """
    for part in header.lower().split(";"):
        name, _, formats = part.partition("=")
        if name.strip() == "responseformat":
            taken = {one.strip() for one in formats.split(",")}
            for form in (Form.DELTA, Form.PARQUET):
                if form.value in taken:
                    return form
            raise FormatUnsupported
    return Form.PARQUET


def wants_end_of_stream(header: str) -> bool:
    """Whether the reader takes a last line that says that the answer is whole."""
    return "includeendstreamaction=true" in header.lower().replace(" ", "").split(";")


def parse_query(body: bytes) -> TableQuery:
    """Read a query's body. Hints that make no sense are ignored: they only ever make an answer smaller.

    Raises: BodyMalformed, RequestRefused.
    """
    try:
        content = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise BodyMalformed("The body is not JSON.") from error
    if not isinstance(content, dict):
        raise BodyMalformed
    version, timestamp = _version(content, "version"), content.get("timestamp")
    start, end = _version(content, "startingVersion"), _version(content, "endingVersion")
    if end is not None and start is None:
        raise RequestRefused("endingVersion needs a startingVersion.")
    if sum(given is not None for given in (version, timestamp, start)) > 1:
        raise RequestRefused("Give one of version, timestamp and startingVersion.")
    limit, predicate = content.get("limitHint"), content.get("jsonPredicateHints")
    conditions, refresh_token = content.get("predicateHints"), content.get("refreshToken")
    if refresh_token is not None and not isinstance(refresh_token, str):
        raise RequestRefused("refreshToken must be a text.")
    return TableQuery(
        version=version,
        timestamp=None if timestamp is None else parse_timestamp("timestamp", timestamp),
        row_limit=limit if _is_count(limit) else None,
        json_predicate=predicate if isinstance(predicate, str) else "",
        conditions=conditions if isinstance(conditions, list) else (),
        changes=None if start is None else ChangeRange(start, end),
        refresh_token=refresh_token or "",
        wants_refresh_token=content.get("includeRefreshToken") is True,
    )


def parse_changes(asked: Mapping[str, str]) -> ChangeRange:
    """Read the parameters of a request for changes. Raises: RequestRefused."""
    start, end = _edge(asked, "starting"), _edge(asked, "ending")
    if start is None:
        raise RequestRefused("Give a startingVersion or a startingTimestamp.")
    return ChangeRange(start, end)


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


def _version(content: dict[str, Any], name: str) -> int | None:
    version = content.get(name)
    if version is not None and not _is_count(version):
        raise RequestRefused(f"{name} must be a whole number.")
    return version


def _edge(asked: Mapping[str, str], which: str) -> int | datetime | None:
    version, timestamp = asked.get(f"{which}Version"), asked.get(f"{which}Timestamp")
    if version is not None and timestamp is not None:
        raise RequestRefused(f"Give one of {which}Version and {which}Timestamp.")
    if version is not None:
        return _whole_number(f"{which}Version", version)
    return None if timestamp is None else parse_timestamp(f"{which}Timestamp", timestamp)


def _whole_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise RequestRefused(f"{name} must be a whole number.")
    return int(text)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
