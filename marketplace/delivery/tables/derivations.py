"""What the market says of rows that it computed, for good: from which envelopes, by which program, which rows.

One statement for each file of a table that is not raw. Their hashes go into the log, many in one entry; the statements
themselves go to the buyers, with the hashes of the rows that they bought.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction

from devices.derivation import Statement, columns_hash, hashes_beside, row_leaf, statement_hash
from devices.derived_rows import DERIVED, UNSTATED
from devices.evidence import (
    EvidenceColumn,
    EvidenceEnd,
    EvidenceHeader,
    RowHashes,
    StatedFile,
    end_line,
    header_line,
    row_hashes_line,
    statement_line,
)
from devices.models import Batch
from devices.readings import read_readings
from ledger.merkle import leaf_hash, root_hash
from ledger.receipt_building import receipt_for
from ledger.services import find_entry, submit_entry
from marketplace.access.services import Grant
from marketplace.consents.models import Consent, Resolution
from marketplace.delivery.entries import derived
from marketplace.delivery.models import DeliveryTable, Derivation, Segment
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.projection import DEVICE, TIME, describe_table, due_until
from marketplace.listings.models import Listing

logger = logging.getLogger(__name__)

PROGRAM = "ownstream projection 1"
# So many hashes of 64 digits fit into one entry.
MOST_IN_ENTRY = 100
_HASHES_IN_LINE = 30_000
_MICROSECOND = timedelta(microseconds=1)
_LACKS_FIELDS = "A statement is about whole rows, and this token opens only some of their columns."


def state_derivations(*, listing: Listing, at: datetime) -> int:
    """Put a statement on each file of the listing's table that has none into the log. Returns how many were made.

    May be repeated freely. A file whose readings have changed meanwhile is passed over: another one will replace it.
    """
    consent = Consent.objects.get(pk=listing.consent_id)
    if consent.resolution == Resolution.RAW:
        return 0
    found = [
        (segment, statement) for segment in _unstated(listing) if (statement := _statement(segment, listing, consent))
    ]
    count = 0
    for start in range(0, len(found), MOST_IN_ENTRY):
        count += _record(listing, found[start : start + MOST_IN_ENTRY], at)
    return count


def listings_to_state() -> list[int]:
    """The pks of listings whose tables have files without a statement."""
    stated = Derivation.objects.values("segment_id")
    computed = Segment.objects.current().exclude(table__listing__consent__resolution=Resolution.RAW)
    names = computed.filter(table__name=DeliveryTable.Name.READINGS).exclude(public_id__in=stated)
    return list(names.values_list("table__listing", flat=True).distinct())


def derived_lines(grant: Grant, header: EvidenceHeader, at: datetime) -> Iterator[bytes]:
    """Write the evidence file of computed rows, as docs/evidence.md describes it."""
    yield header_line(header)
    count = unstated = 0
    is_whole = set(grant.fields) == set(grant.consent.fields)
    for segment in segments_of(grant):
        derivation = Derivation.objects.filter(segment_id=segment.public_id).first()
        entry = None if derivation is None else find_entry(derivation.entry_id)
        if derivation is None or entry is None:
            unstated += 1
            continue
        count += 1
        receipt = receipt_for(entry, at=at)
        if not is_whole:
            yield statement_line(StatedFile(derivation.statement, receipt, lacking=_LACKS_FIELDS))
            continue
        times, leaves = _leaves(segment)
        low = sum(1 for moment in times if grant.window_from is not None and moment < _micros(grant.window_from))
        high = sum(1 for moment in times if moment < _micros(grant.window_until))
        yield statement_line(StatedFile(derivation.statement, receipt, low, b"".join(hashes_beside(leaves, low, high))))
        for start in range(low, high, _HASHES_IN_LINE):
            yield row_hashes_line(RowHashes(b"".join(leaves[start : min(start + _HASHES_IN_LINE, high)])))
    yield end_line(EvidenceEnd(count, {UNSTATED: unstated} if unstated else {}))


def segments_of(grant: Grant) -> Sequence[Segment]:
    segments = Segment.objects.of_readings(grant.listing).current().filter(first_at__lt=grant.window_until)
    if grant.window_from is not None:
        segments = segments.filter(last_at__gte=grant.window_from)
    return list(segments.in_order())


def _unstated(listing: Listing) -> list[Segment]:
    segments = Segment.objects.of_readings(listing).current().in_order()
    return list(segments.exclude(public_id__in=Derivation.objects.filter(listing=listing).values("segment_id")))


def _statement(segment: Segment, listing: Listing, consent: Consent) -> str:
    """Empty when the envelopes of now hold other readings than those that the file was made of."""
    hashes, reading_count = _inputs(segment, consent)
    if reading_count != segment.reading_count:
        return ""
    _, leaves = _leaves(segment)
    columns = [EvidenceColumn(one.name, one.field, one.unit) for one in describe_table(consent) if one.field]
    return Statement(
        listing=str(listing.public_id),
        program=PROGRAM,
        resolution=consent.resolution,
        columns=columns_hash(columns),
        first_day=segment.day.isoformat(),
        end_day=segment.end_day.isoformat(),
        input_count=len(hashes),
        input_root=root_hash(map(leaf_hash, hashes)).hex(),
        sha256=bytes(segment.sha256).hex(),
        row_count=segment.row_count,
        row_root=root_hash(leaves).hex(),
    ).text()


def _inputs(segment: Segment, consent: Consent) -> tuple[list[bytes], int]:
    """The content hashes of the envelopes that the file was made of, by device and number, and their readings in it."""
    start = datetime.combine(segment.day, time.min, UTC)
    until = datetime.combine(segment.end_day, time.min, UTC)
    due = due_until(consent, segment.added_at)
    until = until if due is None else min(until, due)
    hashes, reading_count = [], 0
    for member in consent.consent_devices.select_related("device").order_by("position"):
        readings = read_readings(member.device, names=consent.fields, start=start, until=until)
        reading_count += readings.height
        batches = Batch.objects.filter(device=member.device, sequence__in=readings["sequence"].unique().to_list())
        hashes += [bytes(one) for one in batches.order_by("sequence").values_list("content_hash", flat=True)]
    return hashes, reading_count


def _leaves(segment: Segment) -> tuple[list[int], list[bytes]]:
    """The times of a file's rows, in microseconds, and the rows' leaf hashes."""
    rows = read_rows(segment.path)
    times = rows[TIME].dt.epoch("us").to_list()
    values: list[Any] = [rows[name].to_list() for name in rows.columns if name not in {TIME, DEVICE}]
    devices = rows[DEVICE].to_list()
    return times, [row_leaf(at, name, cells) for at, name, *cells in zip(times, devices, *values, strict=True)]


@transaction.atomic
def _record(listing: Listing, found: Sequence[tuple[Segment, str]], at: datetime) -> int:
    # The table is the lock: two workers must not say the same twice.
    DeliveryTable.objects.select_for_update(no_key=True).readings_of(listing).get()
    known = set(Derivation.objects.filter(listing=listing).values_list("segment_id", flat=True))
    fresh = [(segment, statement) for segment, statement in found if segment.public_id not in known]
    if not fresh:
        return 0
    body = derived(statements=[statement_hash(statement) for _, statement in fresh])
    refs = [str(listing.public_id)]
    entry_id = submit_entry(kind=DERIVED, body=body, key=uuid4(), at=at, refs=refs)
    Derivation.objects.bulk_create(
        Derivation(segment_id=segment.public_id, listing=listing, statement=statement, made_at=at, entry_id=entry_id)
        for segment, statement in fresh
    )
    logger.info("table.stated", extra={"listing_id": listing.public_id, "count": len(fresh)})
    return len(fresh)


def _micros(at: datetime) -> int:
    return (at - datetime.fromtimestamp(0, UTC)) // _MICROSECOND
