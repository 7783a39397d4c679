"""Records for the log, and the tree as RFC 9162 writes it down, for comparison."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

from django.db import connection

from ledger.entries import entry_bytes, time_ordered_id
from ledger.models import Entry, OutboxRow
from ledger.services import submit_entry
from tests.database_owner import owner_rights


def submit(at: datetime, *, kind: str = "device.enrolled", key: UUID | None = None, **body: Any) -> UUID:
    key = key or uuid4()
    return submit_entry(kind=kind, body=body or {"device": "ab" * 32}, key=key, at=at, refs=[str(key)])


def submit_many(count: int, at: datetime) -> list[UUID]:
    return [submit(at, number=number) for number in range(count)]


def leaves() -> list[bytes]:
    return [bytes(leaf) for leaf in Entry.objects.order_by("index").values_list("leaf_hash", flat=True)]


def tamper(sql: str, *values: str | int) -> None:
    """Change the log as only the owner of the database could: with the triggers off."""
    tables = ["ledger_entry", "ledger_tile", "ledger_checkpoint", "ledger_loghead"]
    tables += ["ledger_finalcheckpoint", "ledger_cosignature", "ledger_storedreceipt", "ledger_witnesskey"]
    with owner_rights(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(sql, values)
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = naive_split(len(hashes))
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(hashes) == 1:
        return []
    k = naive_split(len(hashes))
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(m: int, hashes: Sequence[bytes], is_known: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if m == len(hashes):
        return [] if is_known else [naive_root(hashes)]
    k = naive_split(len(hashes))
    if m <= k:
        return [*naive_subproof(m, hashes[:k], is_known), naive_root(hashes[k:])]
    return [*naive_subproof(m - k, hashes[k:], False), naive_root(hashes[:k])]


def naive_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def submit_in_bulk(count: int, at: datetime) -> None:
    """Put as many records into the outbox as submit_many would, in one statement."""
    ids = [time_ordered_id(at) for _ in range(count)]
    rows = [
        OutboxRow(
            kind="device.enrolled",
            key=entry_id,
            entry_id=entry_id,
            body=entry_bytes(
                kind="device.enrolled", entry_id=entry_id, at=at, refs=[f"r{number}"], body={"number": number}
            ),
            submitted_at=at,
        )
        for number, entry_id in enumerate(ids)
    ]
    OutboxRow.objects.bulk_create(rows, batch_size=5000)
