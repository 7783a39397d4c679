"""Remove files that nobody can ask for any more."""

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet

from marketplace.delivery.models import DeliveryTable, EvidenceFile, Export, Segment, SegmentCut
from marketplace.delivery.tables.files import EXPORTS, TABLES, delete_file
from marketplace.delivery.tables.recording import record_erasure

# Longer than any link and most readers of an older version need; a busy table makes a file every half minute.
_KEPT_FOR = timedelta(hours=6)
# Who follows the changes asks for them once a week at least.
_CHANGES_KEPT_FOR = timedelta(days=8)
_MOST_AT_ONCE = 1000
_ROWS_WITH_FILES = (Segment.objects, SegmentCut.objects, EvidenceFile.objects, Export.objects)


def sweep_files(*, at: datetime) -> int:
    """Remove replaced segments with their cuts, changes, and files that no row names, once old. Returns how many."""
    count = 0
    # A table that changes all the time leaves many.
    while swept := _sweep_segments(at):
        count += swept
    return count + _sweep_evidence(at) + _sweep_orphans(at)


def erase_tables(*, tables: QuerySet[DeliveryTable], at: datetime) -> list[str]:
    """Delete everything that was prepared of some tables' data, and return the paths of the files that are left.

    The log is told which files these are, by their hashes.
    A refresh that is under way finds its table gone; the files that it wrote are swept as orphans.
    """
    pks = sorted(set(tables.values_list("pk", flat=True)))
    for table in DeliveryTable.objects.select_for_update(of=("self",)).filter(pk__in=pks).order_by("pk"):
        record_erasure(table=table, at=at)
    segments, cuts = Segment.objects.filter(table__in=pks), SegmentCut.objects.filter(segment__table__in=pks)
    exports, evidence = Export.objects.filter(table__in=pks), EvidenceFile.objects.filter(table__in=pks)
    paths = [
        path for found in (segments, cuts, exports, evidence) for path in found.values_list("path", flat=True) if path
    ]
    exports.delete()
    evidence.delete()
    cuts.delete()
    segments.delete()
    DeliveryTable.objects.filter(pk__in=pks).delete()
    return paths


def _sweep_segments(at: datetime) -> int:
    tells_nothing = Q(change="") | ~Q(terms_number=F("table__terms_number"))
    is_old = Q(tells_nothing, removed_at__lt=at - _KEPT_FOR) | Q(removed_at__lt=at - _CHANGES_KEPT_FOR)
    # A file that the log does not name yet, as when it is frozen, stays until it does.
    is_told = Q(batch__isnull=False, removal_batch__isnull=False)
    old = list(Segment.objects.filter(is_old, is_told).order_by("pk")[:_MOST_AT_ONCE])
    gone = Segment.objects.filter(pk__in=[segment.pk for segment in old])
    with transaction.atomic():
        paths = [segment.path for segment in old]
        paths += SegmentCut.objects.filter(segment__in=old).values_list("path", flat=True)
        newest = gone.values("table").annotate(
            removed=Max("removed_version", filter=Q(added_version__lt=F("removed_version"))),
            told=Max("added_version", filter=~Q(change="")),
        )
        for row in newest:
            table = DeliveryTable.objects.select_for_update().get(pk=row["table"])
            table.oldest_version = max(table.oldest_version, row["removed"] or 0)
            table.changes_from = max(table.changes_from, (row["told"] or -1) + 1)
            table.save(update_fields=["oldest_version", "changes_from"])
        SegmentCut.objects.filter(segment__in=old).delete()
        gone.delete()
    for path in paths:
        delete_file(path)
    return len(paths)


def _folders(path: str) -> list[str]:
    """An object store knows no folders, and finds none where nothing is."""
    try:
        return default_storage.listdir(path)[0]
    except FileNotFoundError:
        return []


def _sweep_evidence(at: datetime) -> int:
    """It is made anew for whoever asks again."""
    old = list(EvidenceFile.objects.filter(made_at__lt=at - _KEPT_FOR).order_by("pk")[:_MOST_AT_ONCE])
    EvidenceFile.objects.filter(pk__in=[file.pk for file in old]).delete()
    for file in old:
        delete_file(file.path)
    return len(old)


def _sweep_orphans(at: datetime) -> int:
    """A crash between writing a file and its row leaves the file alone; a new file may still be waiting for its row."""
    count = 0
    for folder in [f"{top}/{name}" for top in (TABLES, EXPORTS) for name in _folders(top)]:
        paths = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
        for rows in _ROWS_WITH_FILES:
            paths -= set(rows.filter(path__in=paths).values_list("path", flat=True))
        for path in paths:
            if default_storage.get_modified_time(path) < at - _KEPT_FOR:
                delete_file(path)
                count += 1
    return count
