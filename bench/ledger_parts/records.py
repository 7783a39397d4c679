"""Records like a purchase's, made beforehand, and the bytes that PostgreSQL's COPY takes of them."""

import gc
import struct
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from django.db import connection

from ledger.entries import at_text, entry_bytes, time_ordered_id
from ledger.merkle import leaf_hash
from ledger.sequencer import WaitingRecord

NOW = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)
KIND = "purchase.recorded"
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TAIL = b"\xff\xff"
_TO_2000 = datetime(2000, 1, 1, tzinfo=UTC)
_COLUMNS = "index, entry_id, kind, key, at, refs, body, leaf_hash, committed_at"


def body_of(purchase: UUID) -> dict[str, object]:
    """As long as what a purchase writes."""
    until = at_text(NOW + timedelta(days=365))
    return {
        "access_until": until,
        "buyer": "5d" * 32,
        "consent": str(uuid4()),
        "currency": "EUR",
        "fee_micros": "750000",
        "listing": str(uuid4()),
        "plan": str(uuid4()),
        "plan_kind": "period",
        "price_micros": "15000000",
        "purchase": str(purchase),
        "rounding_micros": "0",
        "seller": "a1" * 32,
        "seller_micros": "14250000",
        "window_from": None,
        "window_until": until,
    }


def make_records(count: int) -> list[WaitingRecord]:
    records = []
    for number in range(count):
        at = NOW + timedelta(milliseconds=number)
        key, entry_id = uuid4(), time_ordered_id(at)
        refs = [str(key), str(uuid4())]
        body = entry_bytes(kind=KIND, entry_id=entry_id, at=at, refs=refs, body=body_of(key))
        records.append(WaitingRecord(number, str(entry_id), KIND, key.bytes, body, is_repeat=False))
    return records


def set_aside() -> None:
    """Keep Python's garbage collector from going through what the bench made, which a sequencer does not hold."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def fill_outbox(records: Sequence[WaitingRecord]) -> None:
    """By COPY: only what takes them out again is timed."""
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "COPY ledger_outboxrow (kind, key, entry_id, body, submitted_at) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(["text", "uuid", "uuid", "bytea", "timestamptz"])
        for record in records:
            copy.write_row((record.kind, UUID(bytes=record.key), UUID(record.entry_id), record.body, NOW))


def cut(records: Sequence[WaitingRecord], batch: int) -> Iterator[Sequence[WaitingRecord]]:
    return (records[start : start + batch] for start in range(0, len(records), batch))


def copy_bytes(records: Sequence[WaitingRecord], first_index: int) -> bytes:
    """All columns of the entries in the binary form of COPY: the least work that storing them can be."""
    return COPY_HEAD + b"".join(map(_row, range(first_index, first_index + len(records)), records)) + COPY_TAIL


def _row(index: int, record: WaitingRecord) -> bytes:
    from ledger.entries import read_head

    head = read_head(record.body)
    fields = [
        struct.pack(">q", index),
        UUID(record.entry_id).bytes,
        record.kind.encode(),
        record.key,
        _instant(head.at),
        _text_array(head.refs),
        record.body,
        leaf_hash(record.body),
        _instant(NOW),
    ]
    return struct.pack(">h", len(fields)) + b"".join(struct.pack(">i", len(field)) + field for field in fields)


def _instant(at: datetime) -> bytes:
    return struct.pack(">q", (at - _TO_2000) // timedelta(microseconds=1))


def _text_array(texts: Sequence[str]) -> bytes:
    items = b"".join(struct.pack(">i", len(text)) + text.encode() for text in texts)
    return struct.pack(">iiIii", 1, 0, 25, len(texts), 1) + items


def copy_into(table: str, content: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(content)


def truncate(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {table}")
