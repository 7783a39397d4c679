"""The lines of a Delta Sharing answer, pure, in both of the protocol's forms: its own, and that of a Delta table's log.

Source: delta-io/delta-sharing, PROTOCOL.md; delta-io/delta, PROTOCOL.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from marketplace.delivery.sharing.protocol import Form

_BELOW_A_MILLISECOND = timedelta(microseconds=999)


@dataclass(frozen=True)
class SchemaField:
    """kind: one of Delta's primitive types."""

    name: str
    kind: str
    unit: str
    source: str


class FileAction(NamedTuple):
    """A file of the answer. expires_at is the link's end. first_at, last_at: None where the table has no times."""

    url: str
    id: str
    size: int
    row_count: int
    first_at: datetime | None
    last_at: datetime | None
    version: int
    added_at: datetime
    expires_at: datetime


def protocol_line(form: Form) -> bytes:
    if form is Form.DELTA:
        return _line({"protocol": {"deltaProtocol": {"minReaderVersion": 1, "minWriterVersion": 4}}})
    return _line({"protocol": {"minReaderVersion": 1}})


def metadata_line(
    form: Form, *, table_id: str, name: str, description: str, fields: Sequence[SchemaField], version: int | None = None
) -> bytes:
    """version: named in answers about changes, which may tell of more than one."""
    metadata: dict[str, Any] = {
        "id": table_id,
        "name": name,
        "description": description,
        "format": {"provider": "parquet"},
        "schemaString": schema_string(fields),
        "partitionColumns": [],
        "configuration": {"enableChangeDataFeed": "true"},
    }
    about = {} if version is None else {"version": version}
    if form is Form.PARQUET:
        return _line({"metaData": metadata | about})
    metadata["format"] |= {"options": {}}
    metadata["configuration"] = {"delta.enableChangeDataFeed": "true"}
    return _line({"metaData": {"deltaMetadata": metadata, **about}})


def schema_string(fields: Sequence[SchemaField]) -> str:
    """Return Delta's schema as JSON; a column's unit and source name are in its metadata."""
    columns = [
        {"name": field.name, "type": field.kind, "nullable": field.kind == "double", "metadata": _column_notes(field)}
        for field in fields
    ]
    return orjson.dumps({"type": "struct", "fields": columns}).decode()


def file_line(form: Form, action: FileAction) -> bytes:
    if form is Form.PARQUET:
        return _line({"file": _file(action)})
    return _line({"file": _delta_file(action, {"add": _delta_add(action)})})


def change_line(form: Form, action: FileAction, change: str) -> bytes:
    """A file of rows that the action's version brought ("add") or took away ("remove")."""
    if form is Form.PARQUET:
        return _line({change: _file(action)})
    single = _delta_add(action) if change == "add" else _delta_remove(action)
    return _line({"file": _delta_file(action, {change: single})})


def end_line(*, expires_at: datetime, refresh_token: str) -> bytes:
    """The last line of an answer, without which it is not whole. expires_at: when its links do."""
    about: dict[str, Any] = {"minUrlExpirationTimestamp": milliseconds(expires_at)}
    if refresh_token:
        about["refreshToken"] = refresh_token
    return _line({"endStreamAction": about})


def stats_string(action: FileAction) -> str:
    """Return Delta's statistics. It keeps times in milliseconds, so the highest is rounded up to stay a bound.

    Written by hand: of a thousand files it would take a quarter of the answer's time.
    """
    if action.first_at is None or action.last_at is None:
        return f'{{"numRecords":{action.row_count}}}'
    first, last = _instant(action.first_at), _instant(action.last_at + _BELOW_A_MILLISECOND)
    return (
        f'{{"numRecords":{action.row_count},"minValues":{{"time":"{first}"}},"maxValues":{{"time":"{last}"}},'
        '"nullCount":{"time":0,"device":0}}'
    )


@lru_cache(maxsize=64)
def milliseconds(at: datetime) -> int:
    """Many files were added, and all links end, at the same moment."""
    return int(at.timestamp() * 1000)


def _file(action: FileAction) -> dict[str, Any]:
    return {"url": action.url, "partitionValues": {}, "stats": stats_string(action), **_about(action)}


def _delta_file(action: FileAction, single: dict[str, Any]) -> dict[str, Any]:
    return {**_about(action), "deltaSingleAction": single}


def _about(action: FileAction) -> dict[str, Any]:
    return {
        "id": action.id,
        "size": action.size,
        "version": action.version,
        "timestamp": milliseconds(action.added_at),
        "expirationTimestamp": milliseconds(action.expires_at),
    }


def _delta_add(action: FileAction) -> dict[str, Any]:
    return {
        "path": action.url,
        "partitionValues": {},
        "size": action.size,
        "modificationTime": milliseconds(action.added_at),
        "dataChange": True,
        "stats": stats_string(action),
    }


def _delta_remove(action: FileAction) -> dict[str, Any]:
    return {
        "path": action.url,
        "deletionTimestamp": milliseconds(action.added_at),
        "dataChange": True,
        "extendedFileMetadata": True,
        "partitionValues": {},
        "size": action.size,
    }


def _line(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)


def _column_notes(field: SchemaField) -> dict[str, str]:
    notes = {"unit": field.unit, "source": field.source} if field.kind == "double" else {}
    return {name: note for name, note in notes.items() if note}


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z"
