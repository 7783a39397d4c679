"""The bytes of a live stream: server-sent events (HTML, 9.2) that hold CloudEvents 1.0 in their JSON format. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

OPENED, READINGS, ENDED = "ownstream.stream.opened", "ownstream.readings", "ownstream.stream.ended"
RETRY_MILLISECONDS = 2000
_SOURCE = "source of this stream"


def opened(*, source: str, position: str, columns: Sequence[str], at: datetime) -> bytes:
    """The first event: a reader who comes back before there was any other one knows from where."""
    retry = b"retry: %d\n" % RETRY_MILLISECONDS
    return retry + _event("opened", position, _cloud_event(OPENED, source, position, {"columns": columns}, at))


def heartbeat(position: str) -> bytes:
    """Keep the connection alive, and tell the reader how far it is; browsers take the id without an event."""
    return f": heartbeat\nid: {position}\n\n".encode()


def readings(*, position: str, rows_json: bytes, at: datetime) -> tuple[bytes, bytes]:
    """Return what comes before and after the source: all else is the same for every reader of these rows."""
    event = _event(
        "readings", position, _cloud_event(READINGS, _SOURCE, position, {"rows": orjson.Fragment(rows_json)}, at)
    )
    before, _, after = event.partition(orjson.dumps(_SOURCE))
    return before, after


def ended(*, source: str, position: str, code: str, sentence: str, at: datetime) -> bytes:
    """The last event of a stream that was cut. It has no id line: whoever may come back goes on from where he was."""
    event_id = f"{position}/{code}"
    return _event("ended", "", _cloud_event(ENDED, source, event_id, {"code": code, "message": sentence}, at))


def _cloud_event(kind: str, source: str, event_id: str, content: object, at: datetime) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "type": kind,
            "source": source,
            "id": event_id,
            "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "data": content,
        }
    )


def _event(name: str, position: str, content: bytes) -> bytes:
    # JSON by orjson has no line break, so one data line holds it.
    head = f"event: {name}\n" + (f"id: {position}\n" if position else "")
    return head.encode() + b"data: " + content + b"\n\n"
