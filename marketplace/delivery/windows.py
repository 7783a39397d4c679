"""The files of a table that a purchase's window opens.

A file that the border of the window runs through is cut once, and the part is kept as a file of its own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import polars
from django.db import transaction
from django.db.models import F, Q

from marketplace.access.services import Grant
from marketplace.delivery.errors import NameUnknown, TableRebuilding
from marketplace.delivery.files import delete_file, read_rows, time_range, write_rows
from marketplace.delivery.models import DeliveryTable, Segment, SegmentCut
from marketplace.delivery.projection import TIME


@dataclass(frozen=True)
class TableFile:
    """A file as a reader gets it; version is that of the table which added it."""

    public_id: UUID
    path: str
    row_count: int
    size: int
    sha256: bytes
    first_at: datetime | None
    last_at: datetime | None
    version: int
    added_at: datetime


def files_for(grant: Grant, *, version: int) -> list[TableFile]:
    """Return the files of one version of the table that lie in the grant's window, oldest day first.

    Raises: TableRebuilding.
    """
    segments = Segment.objects.of_readings(grant.listing).at_version(version).filter(first_at__lt=grant.window_until)
    if grant.window_from is not None:
        segments = segments.filter(last_at__gte=grant.window_from)
    files = []
    found = segments.order_by("day")
    if not found:
        check_is_rebuilt(grant)
    for segment in found:
        source: Segment | SegmentCut = segment
        if _is_cut(segment, grant):
            source = cut_segment(segment, grant.window_from, grant.window_until)
        if source.row_count:
            files.append(_table_file(segment, source))
    return files


def check_is_rebuilt(grant: Grant) -> None:
    """Refuse to look into a table of before the consent was narrowed. Raises: TableRebuilding."""
    is_narrower = ~Q(terms_number=F("listing__consent__terms_number"))
    if DeliveryTable.objects.readings_of(grant.listing).filter(is_narrower).exists():
        raise TableRebuilding


def newest_rows_from(grant: Grant, row_count: int) -> datetime | None:
    """From when on a grant's readings are at most so many rows; None when all of them are.

    Rows of the same moment belong together: where not all of them fit, none of them is in.
    """
    segments = Segment.objects.of_readings(grant.listing).current().filter(first_at__lt=grant.window_until)
    left = row_count
    for segment in segments.order_by("-day"):
        if not _is_cut(segment, grant) and segment.row_count <= left:
            left -= segment.row_count
            continue
        times = read_rows(segment.path).filter(polars.col(TIME) < grant.window_until)[TIME].sort(descending=True)
        if len(times) > left:
            return cast(datetime, times[left]) + timedelta(microseconds=1)
        left -= len(times)
    return None


def find_file(grant: Grant, public_id: UUID) -> TableFile:
    """Return a file of the grant's table: a whole segment, or a cut for the grant's own window. Raises: NameUnknown."""
    segment = Segment.objects.of_readings(grant.listing).filter(public_id=public_id).first()
    if segment is not None and not _is_cut(segment, grant):
        return _table_file(segment, segment)
    cuts = SegmentCut.objects.select_related("segment").filter(_is_window(grant.window_from, grant.window_until))
    cut = cuts.filter(public_id=public_id, segment__in=Segment.objects.of_readings(grant.listing)).first()
    if cut is None:
        raise NameUnknown
    return _table_file(cut.segment, cut)


def cut_segment(segment: Segment, window_from: datetime | None, window_until: datetime) -> SegmentCut:
    """Return the part of the segment inside the window, as a file that is written once however many ask at a time."""
    is_this_window = _is_window(window_from, window_until)
    cut = segment.cuts.filter(is_this_window).first()
    if cut is not None:
        return cut
    inside = polars.col(TIME) < window_until
    if window_from is not None:
        inside &= polars.col(TIME) >= window_from
    rows = read_rows(segment.path).filter(inside)
    first_at, last_at = (None, None) if rows.is_empty() else time_range(rows)
    written = write_rows(rows)
    with transaction.atomic():
        SegmentCut.objects.bulk_create(
            [
                SegmentCut(
                    segment=segment,
                    window_from=window_from,
                    window_until=window_until,
                    path=written.path,
                    row_count=written.row_count,
                    size=written.size,
                    sha256=written.sha256,
                    first_at=first_at,
                    last_at=last_at,
                )
            ],
            ignore_conflicts=True,
        )
        cut = segment.cuts.get(is_this_window)
    if cut.path != written.path:
        delete_file(written.path)
    return cut


def _is_cut(segment: Segment, grant: Grant) -> bool:
    starts_before = grant.window_from is not None and segment.first_at < grant.window_from
    return starts_before or segment.last_at >= grant.window_until


def _is_window(window_from: datetime | None, window_until: datetime) -> Q:
    start = Q(window_from__isnull=True) if window_from is None else Q(window_from=window_from)
    return start & Q(window_until=window_until)


def _table_file(segment: Segment, source: Segment | SegmentCut) -> TableFile:
    return TableFile(
        public_id=source.public_id,
        path=source.path,
        row_count=source.row_count,
        size=source.size,
        sha256=bytes(source.sha256),
        first_at=source.first_at,
        last_at=source.last_at,
        version=segment.added_version,
        added_at=segment.added_at,
    )
