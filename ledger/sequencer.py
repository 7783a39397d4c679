"""The one writer of the log: moves waiting records into entries, tiles and a signed checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from ledger import statements
from ledger.entries import EntryHead, check_record
from ledger.errors import EntryError, LogDamaged
from ledger.faults import fault_point
from ledger.merkle import leaf_hash
from ledger.models import LogHead
from ledger.notes import TreeHead
from ledger.signing import log_signer
from ledger.tiles import Growth, edge_tiles, grow

logger = logging.getLogger(__name__)

# The number only has to differ from other advisory locks of this database.
ELECTION = 0x0106_1ED6
MOST_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class WaitingRecord:
    row_id: int
    entry_id: UUID
    kind: str
    key: UUID
    body: bytes
    is_repeat: bool


def sequence_batch(*, at: datetime, limit: int = MOST_AT_ONCE) -> int:
    """Commit up to limit waiting records to the log, in one transaction with their signed checkpoint.

    at: the moment that the checkpoint and the entries carry as theirs, UTC.
    Returns how many outbox rows were worked off: 0 when none waits, or when another sequencer is at work.
    Raises: LogDamaged when the stored tree does not fit the head, EntryError when a waiting record is not what was
    submitted; nothing is signed then.
    """
    with _election() as is_elected:
        if not is_elected:
            return 0
        taken = _commit_batch(at, limit)
        fault_point("after_commit")
    return taken


@contextmanager
def _election() -> Generator[bool]:
    """Hold the session lock that makes this connection the sequencer, if no other holds it.

    It belongs to one server session, so the sequencer connects to PostgreSQL itself or through a pooler in session
    mode. Should it be lost all the same, the row lock on the head still lets one batch commit after the other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ELECTION])
        is_elected = cursor.fetchone() == (True,)
    try:
        yield is_elected
    finally:
        if is_elected:
            _resign()


def _resign() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ELECTION])
    except Exception:
        # A connection that cannot give the lock back must not return to the pool with it.
        connection.close()
        raise


@transaction.atomic
def _commit_batch(at: datetime, limit: int) -> int:
    fault_point("before_select")
    head = LogHead.objects.select_for_update().get(pk=1)
    if not head.note:
        _sign_head(head, at)
    records = [WaitingRecord(*row) for row in statements.select_waiting(limit)]
    if not records:
        return 0
    fresh = [record for record in records if not record.is_repeat]
    for record in records:
        if record.is_repeat:
            logger.warning("ledger.repeat_dropped", extra={"kind": record.kind, "entry_id": record.entry_id})
    if fresh:
        _append(head, fresh, at)
    statements.delete_waiting([record.row_id for record in records])
    fault_point("before_commit")
    transaction.on_commit(
        lambda: logger.info("ledger.committed", extra={"size": head.size, "entries": len(fresh)}), robust=True
    )
    return len(records)


def _append(head: LogHead, records: Sequence[WaitingRecord], at: datetime) -> None:
    leaves = [leaf_hash(record.body) for record in records]
    growth = _grown(head, leaves)
    statements.insert_entries(
        first_index=head.size,
        committed_at=at,
        rows=[
            (record.entry_id, record.kind, record.key, content.at, content.refs, record.body, leaf)
            for record, content, leaf in zip(records, map(_content, records), leaves, strict=True)
        ],
    )
    fault_point("after_entries")
    statements.insert_tiles(growth.tiles)
    fault_point("after_tiles")
    head.size, head.root_hash = growth.size, growth.root_hash
    _sign_head(head, at)


def _grown(head: LogHead, leaves: Sequence[bytes]) -> Growth:
    """Grow the tree from its right edge, after checking that the edge is what was signed."""
    edge = {tile.level: hashes for tile, hashes in statements.select_tiles(edge_tiles(head.size)).items()}
    if grow(head.size, edge, []).root_hash != bytes(head.root_hash):
        raise LogDamaged(f"The stored tiles do not give the root that was signed at size {head.size}.")
    return grow(head.size, edge, leaves)


def _content(record: WaitingRecord) -> EntryHead:
    try:
        return check_record(record.body, entry_id=record.entry_id, kind=record.kind)
    except EntryError:
        logger.exception("ledger.record_refused", extra={"row_id": record.row_id, "entry_id": record.entry_id})
        raise


def _sign_head(head: LogHead, at: datetime) -> None:
    signer = log_signer()
    head.note = signer.sign(TreeHead(signer.verifier_key.name, head.size, bytes(head.root_hash)).text())
    head.updated_at = at
    statements.insert_checkpoint(head, at)
    fault_point("after_checkpoint")
    head.save(update_fields=["size", "root_hash", "note", "updated_at"])
