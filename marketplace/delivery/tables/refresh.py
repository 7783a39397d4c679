"""Bring a listing's table up to date: immutable Parquet files, written first and put in the table after.

New rows of a day come as a small file beside the others of that day; these are put together when they are many, or at
rest. A crash in between leaves a file that no row names; sweeping removes it. Two refreshes at once both compute, and
the one that comes second to the lock sees that the table has moved on and starts again.
"""

import hashlib
import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import polars
from django.db import transaction
from django.db.models import Q

from devices.models import Batch, ReadingFile
from devices.services import resolve_batches
from marketplace.consents.models import Consent, ConsentDevice, Resolution
from marketplace.consents.standing import rely_on_standing
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.tables import projection
from marketplace.delivery.tables.changes import compare_files, compare_rows, group_spans
from marketplace.delivery.tables.files import WrittenFile, delete_file, parquet_bytes, read_rows, time_range, write_rows
from marketplace.delivery.tables.quality import QUALITY_REST, measure_quality
from marketplace.delivery.tables.spans import Span, choose_spans
from marketplace.listings.models import Listing, ListingQuality
from marketplace.listings.services import record_quality

logger = logging.getLogger(__name__)

# Part of every stamp: a change of how rows are made rewrites every table.
_PROJECTION_VERSION = 1
_MOST_ATTEMPTS = 5
# A reader pays for every file with a request; putting a day together costs its whole size.
MOST_PARTS = 8
PARTS_REST = timedelta(hours=1)


@dataclass(frozen=True)
class NewFile:
    written: WrittenFile
    first_at: datetime
    last_at: datetime
    reading_count: int
    signed_count: int


@dataclass(frozen=True)
class BuiltSpan:
    """A span's new file, in place of `current` or beside it; None when it has no rows, or the very rows that it had."""

    span: Span
    stamp: str
    current: Sequence[Segment]
    new: NewFile | None
    is_unchanged: bool = False
    is_beside: bool = False

    @property
    def replaced(self) -> Sequence[Segment]:
        return () if self.is_unchanged or self.is_beside else self.current


@dataclass(frozen=True)
class ChangeFile:
    """Rows that a version brings or takes away, where no file of the version holds just these."""

    span: Span
    change: Segment.Change
    new: NewFile


@dataclass(frozen=True)
class Build:
    """What a refresh has made, not in the table yet."""

    spans: list[BuiltSpan]
    changes: list[ChangeFile]

    def discard(self) -> None:
        for new in [*(one.new for one in self.spans), *(change.new for change in self.changes)]:
            if new is not None:
                delete_file(new.written.path)


@dataclass(frozen=True)
class Sources:
    """What a table is made of at a moment: a stamp for each span of days, and one for all."""

    stamps: dict[Span, str]
    due: datetime | None
    terms_number: int

    @property
    def stamp(self) -> str:
        return _digest(f"{span.first} {span.end} {stamp}" for span, stamp in sorted(self.stamps.items()))

    def until(self, span: Span) -> datetime:
        return span.end_at if self.due is None else min(span.end_at, self.due)


def refresh_table(*, listing: Listing, at: datetime) -> DeliveryTable:
    """Bring the listing's table up to what its devices had sent and what was due at `at`. May be repeated freely.

    A listing that may not deliver any more (withdrawn, consent over, never published) is left as it is.
    """
    listing = Listing.objects.select_related("consent").get(pk=listing.pk)
    table = _table_of(listing, at)
    if not listing.is_held(at):
        return table
    for member in _members(listing):
        resolve_batches(device=member.device, at=at)
    for _ in range(_MOST_ATTEMPTS):
        # Anew each time: the consent may have become narrower meanwhile.
        listing.consent.refresh_from_db()
        members = _members(listing)
        sources = _sources(listing.consent, members, at)
        spans = _build_spans(table, members, sources, at)
        build = Build(spans, _find_changes(table, spans, sources))
        refreshed = _apply(listing, table, build, sources, at)
        if refreshed is not None:
            _measure(listing, refreshed, at)
            return refreshed
        if _is_cut_off(listing):
            break
        table.refresh_from_db()
    return table


def _is_cut_off(listing: Listing) -> bool:
    """Whether a withdrawal was committed meanwhile, whatever this machine's clock thinks of its time."""
    return Listing.objects.filter(
        Q(withdrawn_at__isnull=False) | Q(consent__withdrawn_at__isnull=False), pk=listing.pk
    ).exists()


def _members(listing: Listing) -> list[ConsentDevice]:
    return list(listing.consent.consent_devices.select_related("device", "consent").order_by("position"))


def _measure(listing: Listing, table: DeliveryTable, at: datetime) -> None:
    measured_at = ListingQuality.objects.filter(listing=listing).values_list("measured_at", flat=True).first()
    is_old = measured_at is None or (measured_at < table.updated_at and measured_at <= at - QUALITY_REST)
    if is_old:
        record_quality(listing=listing, quality=measure_quality(table, listing.consent), at=at)


def _table_of(listing: Listing, at: datetime) -> DeliveryTable:
    table, _ = DeliveryTable.objects.get_or_create(
        listing=listing, name=DeliveryTable.Name.READINGS, defaults={"created_at": at, "updated_at": at}
    )
    return table


def _sources(consent: Consent, members: list[ConsentDevice], at: datetime) -> Sources:
    due = projection.due_until(consent, at)
    files = ReadingFile.objects.filter(device__in=[member.device for member in members])
    if due is not None:
        files = files.filter(day__lt=(due + timedelta(days=1)).date() if due.time() != time.min else due.date())
    lines: dict[date, list[str]] = defaultdict(list)
    counts: dict[date, int] = defaultdict(int)
    rows = files.order_by("day", "device_id").values_list("day", "device_id", "sha256", "row_count")
    for day, device_id, sha256, row_count in rows:
        lines[day].append(f"{device_id} {bytes(sha256).hex()}")
        counts[day] += row_count
    sources = Sources({}, due, consent.terms_number)
    all_days = sorted(lines)
    for span in choose_spans(counts, closed_until=(due or at).date()):
        days = all_days[bisect_left(all_days, span.first) : bisect_left(all_days, span.end)]
        head = f"v{_PROJECTION_VERSION} {sources.until(span).isoformat()}"
        head += f" terms {consent.terms_number}" if consent.terms_number > 1 else ""
        sources.stamps[span] = _digest([head, *(line for day in days for line in lines[day])])
    return sources


def _build_spans(table: DeliveryTable, members: list[ConsentDevice], sources: Sources, at: datetime) -> list[BuiltSpan]:
    is_same = table.source_stamp == sources.stamp
    current: dict[Span, list[Segment]] = defaultdict(list)
    for segment in table.segments.current().order_by("pk"):
        current[Span(segment.day, segment.end_day)].append(segment)
    gone = () if is_same else [span for span in current if span not in sources.stamps]
    built = [BuiltSpan(span, "", current[span], None) for span in gone]
    for span, stamp in sorted(sources.stamps.items()):
        parts = current.get(span, [])
        is_behind = not is_same and (not parts or parts[-1].source_stamp != stamp)
        is_at_rest = len(parts) > 1 and at >= table.updated_at + PARTS_REST
        if is_behind or is_at_rest:
            may_add = not is_at_rest and len(parts) < MOST_PARTS
            built.append(_build_span(span, stamp, members, sources, parts, may_add=may_add))
    return built


def _build_span(
    span: Span, stamp: str, members: list[ConsentDevice], sources: Sources, current: list[Segment], *, may_add: bool
) -> BuiltSpan:
    rows, reading_count, signed_count = _project(span, members, sources)
    if rows.is_empty():
        return BuiltSpan(span, stamp, current, None)
    if len(current) == 1 and hashlib.sha256(parquet_bytes(rows)).digest() == bytes(current[0].sha256):
        return BuiltSpan(span, stamp, current, None, is_unchanged=True)
    is_beside = may_add and _takes_parts(span, members, sources, current)
    if is_beside:
        inserts, deletes = compare_rows(polars.concat([read_rows(part.path) for part in current]), rows)
        if inserts.is_empty() and deletes.is_empty():
            return BuiltSpan(span, stamp, current, None, is_unchanged=True)
        is_beside = deletes.is_empty()
    if is_beside:
        rows = inserts
        reading_count -= sum(part.reading_count for part in current)
        signed_count = max(0, signed_count - sum(part.signed_count for part in current))
    new = NewFile(write_rows(rows), *time_range(rows), reading_count, signed_count)
    return BuiltSpan(span, stamp, current, new, is_beside=is_beside)


def _takes_parts(span: Span, members: list[ConsentDevice], sources: Sources, current: list[Segment]) -> bool:
    """A day of readings as they are; of what is computed or held back whole steps come at a time."""
    is_raw = sources.due is None and members[0].consent.resolution == Resolution.RAW
    is_day = span.end - span.first == timedelta(days=1)
    return is_raw and is_day and {part.terms_number for part in current} == {sources.terms_number}


def _project(span: Span, members: list[ConsentDevice], sources: Sources) -> tuple[polars.DataFrame, int, int]:
    """Return the span's rows in order, and how many readings, and how many of those signed, went into them."""
    frames = []
    reading_count = signed_count = 0
    for member in members:
        rows, sequences = projection.project_device(member, start=span.start_at, until=sources.until(span))
        frames.append(rows)
        reading_count += sum(sequences.values())
        kept = Batch.objects.filter(device=member.device, sequence__in=list(sequences))
        signed_count += sum(sequences[sequence] for sequence in kept.values_list("sequence", flat=True))
    return polars.concat(frames).sort(projection.TIME, projection.DEVICE), reading_count, signed_count


def _find_changes(table: DeliveryTable, built: list[BuiltSpan], sources: Sources) -> list[ChangeFile]:
    """Compare the replaced files with the new ones. Nothing is told of what was made under wider terms."""
    if table.terms_number != sources.terms_number:
        return []
    old = [(one.span, part.path) for one in built for part in one.replaced]
    # A span's new file may hold what older files of other spans held.
    new = [(one.span, one.new.written.path) for one in built if one.new is not None and not one.is_beside]
    found = []
    for group in group_spans(old, new):
        if group.old:
            inserts, deletes = compare_files(group.old, group.new)
            found += [
                ChangeFile(group.span, change, NewFile(write_rows(rows), *time_range(rows), 0, 0))
                for change, rows in ((Segment.Change.DELETE, deletes), (Segment.Change.INSERT, inserts))
                if not rows.is_empty()
            ]
    return found


def _apply(listing: Listing, seen: DeliveryTable, build: Build, sources: Sources, at: datetime) -> DeliveryTable | None:
    """Put the new files in the table in one transaction.

    None when another refresh changed the table meanwhile, or a withdrawal ended what it is for, or it is gone.
    """
    next_due_at = _held_back_until(listing.consent, _members(listing), sources.due)
    with transaction.atomic():
        rely_on_standing(listing.consent_id)
        table = DeliveryTable.objects.select_for_update().filter(pk=seen.pk).first()
        has_moved = table is None or not _is_as_seen(table, seen) or _is_cut_off(listing)
        if table is not None and not has_moved:
            is_narrower = table.terms_number != sources.terms_number
            table.terms_number = sources.terms_number
            if _replace_segments(table, build, at):
                table.version += 1
                table.updated_at = at
            if is_narrower:
                # Versions of before hold what may not be shown any more.
                table.oldest_version = table.version
                table.changes_from = table.version + 1
            table.source_stamp = sources.stamp
            table.refreshed_at = max(at, table.refreshed_at or at)
            table.next_due_at = next_due_at
            table.save()
    if table is None or has_moved:
        build.discard()
        return None
    if table.version != seen.version:
        logger.info("table.refreshed", extra={"table_id": table.public_id, "version": table.version})
    return table


def _is_as_seen(table: DeliveryTable, seen: DeliveryTable) -> bool:
    return (table.source_stamp, table.version) == (seen.source_stamp, seen.version)


def _replace_segments(table: DeliveryTable, build: Build, at: datetime) -> bool:
    """Return whether what can be read has changed."""
    version = table.version + 1
    for one in build.spans:
        if one.is_unchanged:
            kept = table.segments.filter(pk=one.current[-1].pk)
            kept.update(source_stamp=one.stamp, terms_number=table.terms_number)
    replaced = [part for one in build.spans for part in one.replaced]
    removed = (
        table.segments.current()
        .filter(pk__in=[segment.pk for segment in replaced])
        .update(removed_version=version, removed_at=at)
    )
    old_spans = [Span(segment.day, segment.end_day) for segment in replaced]
    added = []
    for one in build.spans:
        if one.new is not None:
            is_all_new = not any(one.span.overlaps(old) for old in old_spans)
            change = Segment.Change.INSERT if is_all_new else ""
            added.append(_segment(table, version, one.span, one.new, at, source_stamp=one.stamp, change=change))
    added += [
        _segment(table, version, one.span, one.new, at, change=one.change, removed_version=version, removed_at=at)
        for one in build.changes
    ]
    Segment.objects.bulk_create(added)
    return bool(removed or added)


def _segment(table: DeliveryTable, version: int, span: Span, new: NewFile, at: datetime, **more: Any) -> Segment:
    return Segment(
        table=table,
        day=span.first,
        end_day=span.end,
        added_version=version,
        added_at=at,
        terms_number=table.terms_number,
        path=new.written.path,
        row_count=new.written.row_count,
        reading_count=new.reading_count,
        signed_count=new.signed_count,
        size=new.written.size,
        sha256=new.written.sha256,
        first_at=new.first_at,
        last_at=new.last_at,
        **more,
    )


def _held_back_until(consent: Consent, members: list[ConsentDevice], due: datetime | None) -> datetime | None:
    if due is None:
        return None
    for member in members:
        member.device.refresh_from_db(fields=["last_reading_at"])
    newest = max((member.device.last_reading_at for member in members if member.device.last_reading_at), default=None)
    return projection.next_due_at(consent, due) if newest is not None and newest >= due else None


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
