"""The one writer of the log: moves waiting records into entries, tiles and a signed checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import IntegrityError, transaction

from ledger import statements
from ledger.blocking import find_blocking_row, refusal_of
from ledger.collection import collection_paused
from ledger.continuity import check_continues
from ledger.copying import EntryRow, copy_piece, pieces_of
from ledger.entries import check_record, check_records
from ledger.errors import EntryError, FreezeUndone, LogDamaged, LogForked, LogRolledBack, MemoryUnusable, TileMissing
from ledger.faults import fault_point
from ledger.first_answer import may_sign
from ledger.freezing import freeze_log, keep_mark, raise_alarm, refuse_mark
from ledger.locks import SEQUENCING, elected_by
from ledger.memory import SignerMemory
from ledger.merkle import leaf_hash
from ledger.models import LogHead
from ledger.notes import TreeHead
from ledger.signed_heads import check_signed, sign_head, tree_head
from ledger.tiles import Growth, RightEdge

logger = logging.getLogger(__name__)

ELECTION = SEQUENCING
# With a checkpoint each quarter of a second a backlog of more than 30,000 records drains in a second.
MOST_AT_ONCE = 8192
MEMORY = "The signer's memory"
# The right edge as the newest batch of this process left it.
_newest_edge: dict[str, RightEdge] = {}


class WaitingRecord(NamedTuple):
    """The ids are as the server sends them: objects would only be made to be taken apart again, thousands a batch."""

    row_id: int
    entry_id: str
    kind: str
    key: bytes
    body: bytes
    is_repeat: bool


def sequence_batch(*, at: datetime, limit: int = MOST_AT_ONCE) -> int:
    """Commit up to limit waiting records to the log, in one transaction with their signed checkpoint.

    at: the moment that the checkpoint and the entries carry as theirs, UTC.
    Returns how many outbox rows were worked off: 0 when none waits, when another sequencer is at work, while the log is
    frozen, or while a sequencer that has just started waits for a witness.
    Raises: LogRolledBack, LogForked when the stored log does not continue what this signer signed, and FreezeUndone,
    which freeze it; LogDamaged, TileMissing when the stored head is not signed or the tree does not fit it;
    MemoryUnusable; EntryError when a waiting record is not what was submitted. Nothing is signed then.
    """
    if not may_sign(at):
        return 0
    with elected_by(ELECTION) as is_elected:
        return commit_batch(at, limit) if is_elected else 0


def commit_batch(at: datetime, limit: int) -> int:
    """What sequence_batch does once it is elected."""
    try:
        with collection_paused():
            taken, signed = _try_batch(at, limit)
    except (LogRolledBack, LogForked, FreezeUndone) as refusal:
        freeze_log(code=refusal.code, sentence=str(refusal), evidence=refusal.details, at=at)
        raise
    except (LogDamaged, TileMissing, MemoryUnusable) as refusal:
        raise_alarm(code=refusal.code, sentence=str(refusal), evidence={}, at=at)
        raise
    except (EntryError, IntegrityError) as refusal:
        _alarm_blocked(refusal, at, limit)
        raise
    fault_point("after_commit")
    if signed:
        signer_memory().remember(signed)
        fault_point("after_memory")
    return taken


def _try_batch(at: datetime, limit: int) -> tuple[int, TreeHead | None]:
    """Take it that no record is there already, as nearly always; where the database knows better, look which."""
    try:
        return _commit_batch(at, limit)
    except IntegrityError:
        return _commit_batch(at, limit, finds_repeats=True)


def _alarm_blocked(refusal: EntryError | IntegrityError, at: datetime, limit: int) -> None:
    """Say which waiting record holds up all behind it, or that it is none of them."""
    row = find_blocking_row(limit)
    if row is None:
        sentence = "The next batch does not fit what is stored: somebody wrote entries or tiles past the sequencer."
        raise_alarm(code=LogDamaged.code, sentence=sentence, evidence={"database": str(refusal).strip()}, at=at)
        return
    raise_alarm(
        code="record_refused",
        sentence=f"The waiting record {row.pk} holds up the log. {refusal_of(row)}",
        evidence={
            "row_id": row.pk,
            "kind": row.kind,
            "key": str(row.key),
            "entry_id": str(row.entry_id),
            "body": bytes(row.body).hex(),
        },
        at=at,
    )


def signer_memory() -> SignerMemory:
    return SignerMemory(Path(settings.LEDGER_MEMORY_FILE), settings.LEDGER_ORIGIN)


def begin_memory(head: LogHead) -> None:
    """Let the signer remember from here on, on the disk before anything is signed. Raises MemoryUnusable."""
    logger.log(logging.WARNING if head.size else logging.INFO, "ledger.memory_begun", extra={"size": head.size})
    signer_memory().begin(tree_head(head))


def _check_memory(head: LogHead) -> None:
    """Refuse a head that does not continue what was signed. Raises LogRolledBack, LogForked, MemoryUnusable."""
    known = signer_memory().recall()
    if known is not None:
        check_continues(head, known, who=MEMORY)
    elif head.size == 0 or settings.IS_EMBEDDED:
        begin_memory(head)
    else:
        # An older database and a lost file look the same from here. Only a person can find out which it is.
        raise MemoryUnusable(
            f"The signer's memory {settings.LEDGER_MEMORY_FILE} is missing, but the log has {head.size} entries. Put it"
            " back, or compare the log with its witnesses and begin a new one: `manage.py check_log_head"
            " --begin-memory`."
        )


@transaction.atomic(durable=True)
def _commit_batch(at: datetime, limit: int, *, finds_repeats: bool = False) -> tuple[int, TreeHead | None]:
    """Return how many rows were worked off, and what the signer is to remember once this is committed."""
    fault_point("before_select")
    head, is_frozen = statements.lock_head()
    if is_frozen:
        keep_mark()
        return 0, None
    check_signed(head)
    _check_memory(head)
    refuse_mark()
    if not head.note:
        _sign_head(head, at)
        statements.move_head(head)
    records = [WaitingRecord(*row) for row in statements.select_waiting(limit, finds_repeats=finds_repeats)]
    fresh = [record for record in records if not record.is_repeat]
    for record in records:
        if record.is_repeat:
            logger.warning("ledger.repeat_dropped", extra={"kind": record.kind, "entry_id": record.entry_id})
    taken = [record.row_id for record in records]
    if fresh:
        _append(head, fresh, taken, at)
    elif taken:
        statements.delete_waiting(taken)
    fault_point("before_commit")
    if fresh:
        transaction.on_commit(
            lambda: logger.info("ledger.committed", extra={"size": head.size, "entries": len(fresh)}), robust=True
        )
    return len(records), tree_head(head)


def _append(head: LogHead, records: Sequence[WaitingRecord], taken: Sequence[int], at: datetime) -> None:
    edge = _edge_of(head)
    first_index, leaves, growths = head.size, list[bytes](), list[Growth]()

    def pieces() -> Iterator[bytes]:
        for part in pieces_of(len(records)):
            rows = _rows(records[part])
            leaves.extend(row[-1] for row in rows)
            yield copy_piece(rows, first_index=first_index + part.start, committed_at=at)
        # Asked for one piece more, while the server still stores the last.
        growths.append(edge.grow(leaves))
        head.size, head.root_hash = growths[0].size, growths[0].root_hash
        _sign_head(head, at)

    statements.copy_entries(pieces())
    fault_point("after_entries")
    (growth,) = growths
    statements.move_head(head, tiles=growth.tiles, taken=taken)
    fault_point("after_tree")
    _newest_edge["known"] = growth.edge


def _edge_of(head: LogHead) -> RightEdge:
    """Return the right edge of the tree that the head was signed for.

    What this process made of it in the batch before has that root still, whatever happened to the stored tiles since,
    so it is not read again; the audit reads them.
    """
    known = _newest_edge.get("known")
    if known is None or (known.size, known.root_hash) != (head.size, bytes(head.root_hash)):
        known = RightEdge.read(head.size, statements.edge_hashes(head.size))
    if known.root_hash != bytes(head.root_hash):
        raise LogDamaged(f"The stored tiles do not give the root that was signed at size {head.size}.")
    return known


def _rows(records: Sequence[WaitingRecord]) -> list[EntryRow]:
    """Check these records, and return what is stored of them."""
    _, entry_ids, kinds, keys, bodies, _ = zip(*records, strict=True)
    try:
        contents = check_records(bodies, entry_ids=entry_ids, kinds=kinds)
    except EntryError:
        # One by one, to name the one that is wrong.
        contents = [_content(record) for record in records]
    times, refs = zip(*contents, strict=True)
    return list(zip(entry_ids, kinds, keys, times, refs, bodies, map(leaf_hash, bodies), strict=True))


def _content(record: WaitingRecord) -> tuple[datetime, Sequence[str]]:
    try:
        return check_record(record.body, entry_id=record.entry_id, kind=record.kind)
    except EntryError:
        logger.exception("ledger.record_refused", extra={"row_id": record.row_id, "entry_id": record.entry_id})
        raise


def _sign_head(head: LogHead, at: datetime) -> None:
    head.note, head.updated_at = sign_head(head), at
