"""Evidence packs out of the stored log: chosen entries with everything that proves them, and the last audit's word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from ledger.entries import at_text
from ledger.errors import EvidenceRefused
from ledger.models import AuditRun, Checkpoint, Entry, FinalCheckpoint, LogHead
from ledger.packs import PackContent, write_pack
from ledger.shown_checkpoint import shown_checkpoint
from ledger.statements import select_tiles
from ledger.tiles import TileId
from ledger.trust import MOST_LOOKED_AT, is_proven_final, log_policy

MOST_ENTRIES = 20_000
MOST_CHECKPOINTS = 100


def write_evidence(target: BinaryIO, indices: list[int]) -> None:
    """Write a zip that `python -m ledger.verify pack` checks offline.

    indices: rising, at most 20,000 of them. The pack's checkpoint is the newest final one when that covers them all,
    else the newest signed one. Raises EvidenceRefused, TileMissing.
    """
    if not indices:
        raise EvidenceRefused("No entry was chosen.")
    if len(indices) > MOST_ENTRIES:
        raise EvidenceRefused(f"A pack holds at most {MOST_ENTRIES:,} entries. Narrow the choice, or export the log.")
    checkpoint = _checkpoint(covering=indices[-1])
    content = PackContent(
        checkpoint=checkpoint,
        policy=log_policy().text(),
        entries=_entries(indices),
        audit=_audit(),
        checkpoints=_checkpoints(),
    )
    write_pack(target, content, _read)


def _checkpoint(*, covering: int) -> str:
    newest = FinalCheckpoint.objects.filter(size__gt=covering).order_by("-size")
    final = next((found for found in newest[:MOST_LOOKED_AT] if is_proven_final(found)), None)
    if final is not None:
        return final.note
    head = LogHead.objects.get(pk=1)
    if covering >= head.size:
        raise EvidenceRefused(f"The log has {head.size:,} entries only.")
    return shown_checkpoint(head.note)


def _entries(indices: list[int]) -> Iterator[tuple[int, bytes]]:
    found = Entry.objects.filter(index__in=indices).order_by("index").values_list("index", "body")
    for index, body in found.iterator(1000):
        yield index, bytes(body)


def _audit() -> dict[str, Any]:
    """The last audit that came to its end, in its own words."""
    states = [AuditRun.State.GOOD, AuditRun.State.BAD]
    run = AuditRun.objects.filter(state__in=states).order_by("-finished_at").first()
    if run is None:
        raise EvidenceRefused("No audit has come to its end yet. Verify the log first: a pack carries its report.")
    return {
        "size": run.size,
        "root_hash": bytes(run.root_hash).hex(),
        "is_good": run.state == AuditRun.State.GOOD,
        "scope": run.scope,
        "entries": run.entry_count,
        "tiles": run.tile_count,
        "checkpoints": run.checkpoint_count,
        "cosignatures": run.cosignature_count,
        "receipts": run.receipt_count,
        "findings": run.findings,
        "finished_at": at_text(run.finished_at) if run.finished_at else "",
    }


def _checkpoints() -> dict[int, str]:
    """Earlier signed states, spread evenly over the log's life."""
    sizes = list(Checkpoint.objects.filter(size__gt=0).order_by("size").values_list("size", flat=True))
    step = max(1, -(-len(sizes) // MOST_CHECKPOINTS))
    return dict(Checkpoint.objects.filter(size__in=sizes[::step]).values_list("size", "note"))


def _read(tile: TileId) -> bytes:
    return select_tiles([tile])[tile]
