"""One record in the log for a purchase's reads of a day, so that bill, pages and log are the same rows.

A read whose transaction ended after its day was summed up is in the next day's summary. Nothing is said of people whose
accounts are gone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.db.models import Exists, OuterRef

from ledger import merkle
from ledger.errors import LedgerError
from ledger.receipt_building import receipt_for
from ledger.services import commit_subjects, find_entry, submit_entry
from marketplace.delivery.models import Read, ReadSummary
from marketplace.delivery.reads.leaves import delivery_summary, leaf_bytes, leaf_content
from marketplace.purchases.models import Purchase

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 1_000


@dataclass(frozen=True)
class ReadProof:
    """What shows that a read is in the log. path: hashes that join its leaf to the summary's root, lowest first."""

    content: dict[str, Any]
    leaf: bytes
    index: int
    size: int
    path: list[bytes]
    steps: list[merkle.ProofStep]
    summary: ReadSummary

    @property
    def leaf_hash(self) -> bytes:
        return merkle.leaf_hash(self.leaf)

    @property
    def root(self) -> bytes:
        return bytes(self.summary.root)


def summarise_reads(*, at: datetime) -> int:
    """Sum up every day that is over for each purchase that was read. Returns how many summaries were made."""
    day = at.astimezone(UTC).date() - timedelta(days=1)
    waiting = Read.objects.filter(purchase=OuterRef("pk"), summary=None, at__lt=_end_of(day))
    done = ReadSummary.objects.filter(purchase=OuterRef("pk"), day=day)
    found = Purchase.objects.filter(Exists(waiting), ~Exists(done), buyer__erased_at=None)
    found = found.filter(listing__seller__erased_at=None).order_by("pk")
    return sum(_summarise(pk, day, at) for pk in list(found.values_list("pk", flat=True)[:MOST_AT_ONCE]))


def proof_of(read: Read) -> ReadProof | None:
    """None while its day is not summed up."""
    summary = read.summary
    if summary is None:
        return None
    members = summary.reads.select_related("purchase").order_by("at", "id")
    contents = {member.pk: _content(member) for member in members}
    leaves = [merkle.leaf_hash(leaf_bytes(content)) for content in contents.values()]
    index = list(contents).index(read.pk)
    path = merkle.inclusion_proof(leaves, index)
    content = contents[read.pk]
    steps = merkle.inclusion_steps(leaves[index], index, len(leaves), path)
    return ReadProof(content, leaf_bytes(content), index, len(leaves), path, steps, summary)


def proof_document(proof: ReadProof, *, at: datetime) -> dict[str, Any]:
    """The proof as JSON for others; receipt: None until the log has the summary's entry."""
    entry = find_entry(proof.summary.entry_id)
    try:
        receipt = None if entry is None else receipt_for(entry, at=at)
    except LedgerError:
        receipt = None
    return {
        "leaf": proof.leaf.decode(),
        "index": proof.index,
        "size": proof.size,
        "path": [step.hex() for step in proof.path],
        "reads_root": bytes(proof.summary.root).hex(),
        "day": proof.summary.day.isoformat(),
        "entry_id": str(proof.summary.entry_id),
        "entry": None if entry is None else entry.index,
        "receipt": receipt,
    }


@transaction.atomic
def _summarise(pk: int, day: date, at: datetime) -> bool:
    rows = Purchase.objects.select_related("buyer", "listing__seller")
    purchase = rows.select_for_update(of=("self",), no_key=True).get(pk=pk)
    reads = list(Read.objects.filter(purchase=purchase, summary=None, at__lt=_end_of(day)).order_by("at", "id"))
    if not reads or ReadSummary.objects.filter(purchase=purchase, day=day).exists():
        return False
    summary = _new_summary(purchase, reads, day, at)
    Read.objects.filter(pk__in=[read.pk for read in reads]).update(summary=summary)
    logger.info("reads.summarised", extra={"purchase_id": purchase.public_id, "reads": len(reads)})
    return True


def _new_summary(purchase: Purchase, reads: Sequence[Read], day: date, at: datetime) -> ReadSummary:
    for read in reads:
        read.purchase = purchase
    root = merkle.root_hash(merkle.leaf_hash(leaf_bytes(_content(read))) for read in reads)
    row_count, byte_count = sum(read.row_count for read in reads), sum(read.byte_count for read in reads)
    buyer, seller, public_id = purchase.buyer.public_id, purchase.listing.seller.public_id, uuid4()
    handles = commit_subjects(kind="person", subject_ids=[buyer, seller])
    body = delivery_summary(
        buyer=handles[buyer],
        seller=handles[seller],
        day=day.isoformat(),
        read_count=len(reads),
        row_count=row_count,
        byte_count=byte_count,
        root=root,
    )
    refs = [str(public_id), str(purchase.public_id), str(purchase.listing.public_id)]
    return ReadSummary.objects.create(
        public_id=public_id,
        purchase=purchase,
        day=day,
        read_count=len(reads),
        row_count=row_count,
        byte_count=byte_count,
        root=root,
        made_at=at,
        entry_id=submit_entry(kind="delivery.summary", body=body, key=public_id, at=at, refs=refs),
    )


def _content(read: Read) -> dict[str, Any]:
    return leaf_content(
        read=read.public_id,
        purchase=read.purchase.public_id,
        door=read.door,
        at=read.at,
        row_count=read.row_count,
        byte_count=read.byte_count,
    )


def _end_of(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, UTC)
