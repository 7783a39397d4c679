"""Put the hashes of a table's files into the log: many in one entry, with a proof for each.

A table that is made anew every few seconds would fill the log, so what it gained and lost waits for the rest of ten
minutes and goes into one entry. The hashes are kept beside the entry, so that a file stays provable when it is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from ledger.merkle import inclusion_proof, leaf_hash, root_hash
from ledger.services import submit_entry
from marketplace.delivery.entries import segments
from marketplace.delivery.models import DeliveryTable, Segment, SegmentBatch
from marketplace.listings.models import Listing

logger = logging.getLogger(__name__)

SEGMENTS = "delivery.segments"
RECORD_REST = timedelta(minutes=10)
_MOST_AT_ONCE = 10_000
_WAITS = Q(batch=None) | Q(removed_version__isnull=False, removal_batch=None)


@dataclass(frozen=True)
class SegmentProof:
    """How a file's SHA-256, as a leaf, leads to the root that an entry names. path: hashes from leaf to root."""

    entry_id: UUID
    index: int
    count: int
    path: list[bytes]
    root: bytes

    def named(self) -> dict[str, Any]:
        """As it is written for others."""
        path = [one.hex() for one in self.path]
        return {"index": self.index, "count": self.count, "path": path, "root": self.root.hex()}


def listings_to_record(at: datetime) -> list[int]:
    """The pks of listings with files that came or went and are not in the log, and whose last entry is old enough."""
    waiting = Segment.objects.filter(_WAITS, table__name=DeliveryTable.Name.READINGS)
    resting = SegmentBatch.objects.filter(recorded_at__gt=at - RECORD_REST).values("listing")
    return list(waiting.exclude(table__listing__in=resting).values_list("table__listing", flat=True).distinct())


def record_segments(*, listing: Listing, at: datetime) -> SegmentBatch | None:
    """Put what the listing's table gained and lost since its last entry into the log. May be repeated freely.

    None when there is nothing.
    """
    with transaction.atomic():
        # The table is the lock: two workers must not say the same twice.
        table = DeliveryTable.objects.select_for_update(no_key=True).readings_of(listing).first()
        if table is None:
            return None
        added = _oldest(table, Q(batch=None))
        removed = _oldest(table, Q(removed_version__isnull=False, removal_batch=None))
        return _record(table, added, removed, at) if added or removed else None


def record_erasure(*, table: DeliveryTable, at: datetime) -> None:
    """Say in the log that all files of a table are taken away. Called in the transaction that deletes them."""
    added = list(table.segments.filter(batch=None).order_by("pk"))
    removed = list(table.segments.filter(removal_batch=None).order_by("pk"))
    if removed:
        _record(table, added, removed, at)


def segment_proof(segment: Segment) -> SegmentProof | None:
    """None while the file waits for its entry."""
    batch = segment.batch
    if batch is None:
        return None
    return _proof_of(bytes(segment.sha256), batch.hashes, batch)


def removal_proof(sha256: bytes) -> SegmentProof | None:
    """How the newest entry that tells of a file's removal says so. None when none does, or the file is there again."""
    # Two hashes beside each other may hold what looks like a third.
    named = RawSQL(
        "position(%s::bytea in added) > 0 OR position(%s::bytea in removed) > 0", [sha256, sha256], BooleanField()
    )
    batches = list(SegmentBatch.objects.annotate(is_named=named).filter(is_named=True).order_by("pk"))
    came = sum(batch.hashes.count(sha256) for batch in batches)
    went = [batch for batch in batches for one in batch.removed_hashes if one == sha256]
    if not went or len(went) < came:
        return None
    return _proof_of(sha256, went[-1].removed_hashes, went[-1])


def _proof_of(sha256: bytes, hashes: Sequence[bytes], batch: SegmentBatch) -> SegmentProof:
    index = hashes.index(sha256)
    leaves = [leaf_hash(one) for one in hashes]
    return SegmentProof(batch.entry_id, index, len(leaves), inclusion_proof(leaves, index), root_hash(leaves))


def _oldest(table: DeliveryTable, which: Q) -> list[Segment]:
    return list(table.segments.filter(which).order_by("pk")[:_MOST_AT_ONCE])


def _record(table: DeliveryTable, added: Sequence[Segment], removed: Sequence[Segment], at: datetime) -> SegmentBatch:
    added_hashes, removed_hashes = ([bytes(one.sha256) for one in found] for found in (added, removed))
    listing = table.listing
    body = segments(version=table.version, added=added_hashes, removed=removed_hashes)
    entry_id = submit_entry(kind=SEGMENTS, body=body, key=uuid4(), at=at, refs=[str(listing.public_id)])
    batch = SegmentBatch.objects.create(
        listing=listing,
        version=table.version,
        added=b"".join(added_hashes),
        removed=b"".join(removed_hashes),
        recorded_at=at,
        entry_id=entry_id,
    )
    table.segments.filter(pk__in=[one.pk for one in added]).update(batch=batch)
    table.segments.filter(pk__in=[one.pk for one in removed]).update(removal_batch=batch)
    counts = {"added": len(added), "removed": len(removed)}
    logger.info("table.recorded", extra={"listing_id": listing.public_id, **counts})
    return batch
