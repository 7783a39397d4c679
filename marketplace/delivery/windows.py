"""The files of a table that a grant opens.

A file that the border of the window runs through, or that holds more fields than the grant opens, is cut once, and the
part is kept as a file of its own.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import NamedTuple, cast
from uuid import UUID

import orjson
import polars
from django.db import transaction
from django.db.models import F, Q

from marketplace.access.services import Grant
from marketplace.delivery.errors import NameUnknown, TableRebuilding
from marketplace.delivery.models import DeliveryTable, Segment, SegmentCut, SegmentQuerySet
from marketplace.delivery.tables.files import delete_file, read_rows, time_range, write_rows
from marketplace.delivery.tables.projection import DEVICE, TIME, column_names

# In the order of TableFile.
_FILE_COLUMNS = [
    "public_id",
    "path",
    "row_count",
    "size",
    "sha256",
    "first_at",
    "last_at",
    "added_version",
    "added_at",
]


class TableFile(NamedTuple):
    """A file as a reader gets it; version is that of the table which added it. is_whole: nothing was cut away."""

    public_id: UUID
    path: str
    row_count: int
    size: int
    sha256: bytes
    first_at: datetime | None
    last_at: datetime | None
    version: int
    added_at: datetime
    is_whole: bool = True


@dataclass(frozen=True)
class Part:
    """Which part of a segment: None where it is not cut. fields: the devices' own names, in the consent's order."""

    window_from: datetime | None = None
    window_until: datetime | None = None
    fields: tuple[str, ...] | None = None

    @property
    def mark(self) -> str:
        """Short, whatever the number of fields, so that the database can index it."""
        borders = [moment and moment.astimezone(UTC).isoformat() for moment in (self.window_from, self.window_until)]
        return hashlib.sha256(orjson.dumps([*borders, self.fields])).hexdigest()


def files_for(grant: Grant, *, version: int) -> list[TableFile]:
    """Return the files of one version of the table that lie in the grant's window, oldest day first.

    Raises: TableRebuilding.
    """
    files = [file for _, file in _files_of(_in_window(grant).at_version(version).in_order(), grant)]
    if not files:
        check_is_rebuilt(grant)
    return [file for file in files if file.row_count]


def changes_for(grant: Grant, *, first: int, last: int) -> list[tuple[Segment.Change, TableFile]]:
    """Return the files of what the versions from first to last changed in the grant's window, in their order.

    Raises: TableRebuilding.
    """
    check_is_rebuilt(grant)
    told = _in_window(grant).exclude(change="").filter(added_version__range=(first, last))
    # What was gone before the purchase, the buyer never had.
    told = told.exclude(change=Segment.Change.DELETE, added_at__lte=grant.purchase.purchased_at)
    # What a version took away comes before what it put in its place.
    files = _files_of(told.order_by("added_version", "-change", "day"), grant)
    return [(Segment.Change(change), file) for change, file in files if file.row_count]


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
    for _, of_day in groupby(segments.order_by("-day"), lambda segment: segment.day):
        parts = list(of_day)
        count = sum(part.row_count for part in parts)
        if max(part.last_at for part in parts) < grant.window_until and count <= left:
            left -= count
            continue
        rows = polars.concat([read_rows(part.path, [TIME]) for part in parts])
        times = rows.filter(polars.col(TIME) < grant.window_until)[TIME].sort(descending=True)
        if len(times) > left:
            return cast(datetime, times[left]) + timedelta(microseconds=1)
        left -= len(times)
    return None


def find_file(grant: Grant, public_id: UUID) -> TableFile:
    """Return a file of the grant's table: a whole segment, or a cut for the grant itself. Raises: NameUnknown."""
    # The consent in a grant was read just now, so its terms need not be joined to.
    segments = Segment.objects.filter(
        table__listing=grant.listing,
        table__name=DeliveryTable.Name.READINGS,
        terms_number=grant.consent.terms_number,
    ).order_by()
    # Not as one question with OR, for which the database would look through all of the table's segments.
    rows = segments.values_list("pk", *_FILE_COLUMNS)
    found = rows.filter(public_id=public_id).first() or rows.filter(cuts__public_id=public_id).first()
    if found is None:
        raise NameUnknown
    file = TableFile(*found[1:])
    part = _part_of(file, grant)
    if part is not None:
        cut = SegmentCut.objects.filter(segment=found[0], part_mark=part.mark).first()
        file = file if cut is None else _cut_file(file, cut)
    if file.public_id != public_id or file.is_whole != (part is None):
        raise NameUnknown
    return file


def cut_segment(segment: Segment, part: Part) -> SegmentCut:
    """Return a part of the segment, as a file that is written once however many ask at a time."""
    cut = segment.cuts.filter(part_mark=part.mark).first()
    if cut is not None:
        return cut
    rows = _rows_of(segment, part)
    first_at, last_at = (None, None) if rows.is_empty() else time_range(rows)
    written = write_rows(rows)
    with transaction.atomic():
        SegmentCut.objects.bulk_create(
            [
                SegmentCut(
                    segment=segment,
                    window_from=part.window_from,
                    window_until=part.window_until,
                    part_mark=part.mark,
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
        cut = segment.cuts.get(part_mark=part.mark)
    if cut.path != written.path:
        delete_file(written.path)
    return cut


def _part_of(file: TableFile, grant: Grant) -> Part | None:
    """None when the grant opens all of a segment's file."""
    first_at, last_at = cast(datetime, file.first_at), cast(datetime, file.last_at)
    part = Part(
        window_from=grant.window_from if grant.window_from and first_at < grant.window_from else None,
        window_until=grant.window_until if last_at >= grant.window_until else None,
        fields=None if grant.fields == tuple(grant.consent.fields) else grant.fields,
    )
    return None if part == Part() else part


def _rows_of(segment: Segment, part: Part) -> polars.DataFrame:
    """Of fewer fields only the rows that hold one of them: when the others were measured is not told either."""
    if part.fields is None:
        rows = read_rows(segment.path)
    else:
        names = column_names(segment.table.listing.consent.fields)
        columns = [names[field] for field in part.fields]
        rows = read_rows(segment.path, [TIME, DEVICE, *columns])
        rows = rows.filter(~polars.all_horizontal(polars.col(columns).is_null()))
    if part.window_from is not None:
        rows = rows.filter(polars.col(TIME) >= part.window_from)
    if part.window_until is not None:
        rows = rows.filter(polars.col(TIME) < part.window_until)
    return rows


def _in_window(grant: Grant) -> SegmentQuerySet:
    segments = Segment.objects.of_readings(grant.listing).filter(first_at__lt=grant.window_until)
    return segments if grant.window_from is None else segments.filter(last_at__gte=grant.window_from)


def _files_of(segments: SegmentQuerySet, grant: Grant) -> Iterator[tuple[str, TableFile]]:
    """Yield each segment's change with what the grant opens of it.

    Takes cuts that are there with one query, however many segments there are, and no instance for each of thousands.
    """
    found = [(pk, change, TableFile(*row)) for pk, change, *row in segments.values_list("pk", "change", *_FILE_COLUMNS)]
    parts = {pk: part for pk, _, file in found if (part := _part_of(file, grant)) is not None}
    marks = {part.mark for part in parts.values()}
    cuts = SegmentCut.objects.filter(segment__in=parts, part_mark__in=marks) if parts else ()
    known = {(cut.segment_id, cut.part_mark): cut for cut in cuts}
    for pk, change, file in found:
        if pk not in parts:
            yield change, file
            continue
        part = parts[pk]
        cut = known.get((pk, part.mark))
        if cut is None:
            cut = cut_segment(Segment.objects.get(pk=pk), part)
        yield change, _cut_file(file, cut)


def _cut_file(file: TableFile, cut: SegmentCut) -> TableFile:
    return file._replace(
        public_id=cut.public_id,
        path=cut.path,
        row_count=cut.row_count,
        size=cut.size,
        sha256=bytes(cut.sha256),
        first_at=cut.first_at,
        last_at=cut.last_at,
        is_whole=False,
    )
