"""A table as one file to download: made once for each form and part that somebody asked for, and kept for a day.

Small ones are made while the reader waits; for large ones he is told how far it is. Who was killed in the middle of one
leaves a claim that is too old after a minute, and a file in a temporary folder that the system clears.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from kombu.exceptions import KombuError

from marketplace.access.services import Grant, authorise_token_id
from marketplace.delivery.errors import ColumnUnknown, ExportUnderWay, NameUnknown
from marketplace.delivery.exports.formats import FORMS, Format
from marketplace.delivery.exports.writing import Span, write_export
from marketplace.delivery.models import DeliveryTable, Export, ExportRead, Read
from marketplace.delivery.services import count_read
from marketplace.delivery.tables.files import EXPORTS, delete_file
from marketplace.delivery.tables.projection import Column, describe_table
from marketplace.delivery.versions import check_version, current_version
from marketplace.delivery.windows import TableFile, files_for

logger = logging.getLogger(__name__)

# More rows than these are made by the worker; these take a second or two.
AT_ONCE = 1_000_000
# A download that goes on within this time is the same one, and its file is kept that much longer.
KEPT_FOR = timedelta(hours=24)
_CLAIM_LASTS = timedelta(minutes=1)
# Part of every mark: a change of how files are written makes them anew.
_WRITER = 1
_MOST_AT_ONCE = 1_000


@dataclass(frozen=True)
class Wish:
    """What a reader asks for. version: None for the newest; columns: their names, None for all that he may see."""

    form: Format
    start: datetime | None = None
    until: datetime | None = None
    columns: tuple[str, ...] | None = None
    version: int | None = None


@dataclass(frozen=True)
class Part:
    """A wish held against a grant: these files of this version, this part of them."""

    form: Format
    version: int
    files: Sequence[TableFile]
    span: Span


def part_of(grant: Grant, wish: Wish) -> Part:
    """Raises: ColumnUnknown, VersionUnknown, VersionGone, TableRebuilding."""
    current = current_version(grant.listing)
    version = current if wish.version is None else check_version(grant, wish.version)
    start, until = (moment and moment.astimezone(UTC) for moment in (wish.start, wish.until))
    span = Span(start, until, _chosen(describe_table(grant.consent, grant.fields), wish.columns))
    files = [file for file in files_for(grant, version=version) if span.touches(file)]
    return Part(wish.form, version, files, span)


class _Made(File):
    """A file that a storage of folders may move to its place, where others copy what is in it."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def find_export(grant: Grant, wish: Wish, at: datetime) -> Export:
    """Return the file that a grant and a wish lead to, whether it is made already or not. Raises what part_of does."""
    part = part_of(grant, wish)
    table = DeliveryTable.objects.readings_of(grant.listing).first()
    if table is None:
        raise NameUnknown("Nothing is prepared yet. Ask again in a minute.")
    is_newest = part.version == table.version
    data_until = table.refreshed_at if is_newest else max((file.added_at for file in part.files), default=None)
    defaults = {
        "table": table,
        "form": part.form,
        "version": part.version,
        "terms_number": grant.consent.terms_number,
        "data_until": data_until or table.created_at,
        "expected_rows": sum(file.row_count for file in part.files),
        "created_at": at,
        "asked_at": at,
    }
    export, is_new = Export.objects.get_or_create(mark=_mark(table, grant, part), defaults=defaults)
    if not is_new:
        Export.objects.filter(pk=export.pk, asked_at__lt=at - timedelta(minutes=1)).update(asked_at=at)
    return export


def prepared_export(grant: Grant, wish: Wish, at: datetime) -> Export:
    """Return a file that is there: made now when it is small, by the worker when it is large.

    Raises: ExportUnderWay, and what find_export raises.
    """
    export = find_export(grant, wish, at)
    if export.ready_at is None and export.expected_rows <= AT_ONCE:
        export = make_export(export, grant, wish, at)
    elif export.ready_at is None:
        ask_worker(export, grant, wish)
    if export.ready_at is None:
        raise ExportUnderWay(rows_done=export.row_count, rows_total=export.expected_rows)
    return export


def make_export(export: Export, grant: Grant, wish: Wish, at: datetime) -> Export:
    """Make the file, unless somebody else is at it; return the row as it is then."""
    free = Q(claimed_at=None) | Q(claimed_at__lt=at - _CLAIM_LASTS)
    if not Export.objects.filter(free, pk=export.pk, ready_at=None).update(claimed_at=at):
        export.refresh_from_db()
        return export
    try:
        _make(export, part_of(grant, wish))
    except BaseException:
        Export.objects.filter(pk=export.pk).update(claimed_at=None)
        raise
    export.refresh_from_db()
    return export


def ask_worker(export: Export, grant: Grant, wish: Wish) -> None:
    """Only a nudge: whoever asks again nudges again."""
    from marketplace.delivery.tasks import make_export_task

    if export.claimed_at is not None and export.claimed_at > timezone.now() - _CLAIM_LASTS:
        return
    asked = [wish.start and wish.start.isoformat(), wish.until and wish.until.isoformat()]
    wanted = [str(wish.form), *asked, wish.columns and list(wish.columns), export.version]
    try:
        make_export_task.apply_async(args=[export.pk, str(grant.token.public_id), wanted], retry=False)
    except (KombuError, OSError):
        logger.warning("export.nudge_lost", extra={"export_id": export.public_id})


def count_once(export: Export, grant: Grant, at: datetime) -> None:
    """Count a download before its first byte, and what goes on with it within a day not again.

    Raises what count_read raises; nothing may be delivered then.
    """
    with transaction.atomic():
        # Parallel ranges of one download wait here for the first of them.
        locked = Export.objects.select_for_update(no_key=True).filter(pk=export.pk).first()
        if locked is None:
            raise ExportUnderWay
        earlier = ExportRead.objects.filter(export=locked, token=grant.token).select_related("read").first()
        if earlier is not None and earlier.read.at > at - KEPT_FOR:
            return
        door = Read.Door.DOWNLOAD
        read = count_read(grant=grant, door=door, row_count=export.row_count, byte_count=export.size, at=at)
        ExportRead.objects.update_or_create(export=locked, token=grant.token, defaults={"read": read})


def check_readable(export: Export, token_id: UUID, address: str, at: datetime) -> None:
    """Whether a download may go on. Raises what authorise raises, and NameUnknown when the consent became narrower."""
    authorise_token_id(token_id, at, address)
    of_now = Export.objects.filter(pk=export.pk, terms_number=F("table__listing__consent__terms_number"))
    if not of_now.exists():
        raise NameUnknown


def sweep_exports(at: datetime) -> int:
    """Remove files that nobody has asked for of late. Returns how many."""
    old = Export.objects.filter(asked_at__lt=at - KEPT_FOR).order_by("pk")[:_MOST_AT_ONCE]
    return sum(_remove(pk, at) for pk in list(old.values_list("pk", flat=True)))


def _remove(pk: int, at: datetime) -> bool:
    with transaction.atomic():
        export = Export.objects.select_for_update().filter(pk=pk, asked_at__lt=at - KEPT_FOR).first()
        if export is None:
            return False
        path = export.path
        export.delete()
    if path:
        delete_file(path)
    return True


def _make(export: Export, part: Part) -> None:
    name = f"{secrets.token_hex(16)}.{FORMS[part.form].suffix}"

    def tell(row_count: int) -> None:
        Export.objects.filter(pk=export.pk).update(row_count=row_count, claimed_at=timezone.now())

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        row_count = write_export(target, part.files, part.span, part.form, tell=tell)
        with target.open("rb") as opened:
            sha256 = hashlib.file_digest(opened, "sha256").digest()
            opened.seek(0)
            size = target.stat().st_size
            path = default_storage.save(f"{EXPORTS}/{name[:2]}/{name}", _Made(opened, str(target)))
    done = {"path": path, "size": size, "sha256": sha256, "row_count": row_count, "ready_at": timezone.now()}
    if not Export.objects.filter(pk=export.pk, ready_at=None).update(**done):
        # Made by another meanwhile, or its table is gone.
        delete_file(path)


def _chosen(columns: Sequence[Column], names: tuple[str, ...] | None) -> list[Column]:
    """Time and device are always there; the others in the table's order, whatever the order of the wish."""
    if names is None:
        return list(columns)
    if unknown := set(names) - {column.name for column in columns}:
        raise ColumnUnknown(f"The token opens no column {min(unknown)[:60]!r}.")
    chosen = [column for column in columns if column.kind != "double" or column.name in names]
    if all(column.kind != "double" for column in chosen):
        raise ColumnUnknown("Ask for at least one column besides time and device.")
    return chosen


def _mark(table: DeliveryTable, grant: Grant, part: Part) -> str:
    """The files are those of the grant already, cut to its window and fields."""
    borders = [border and border.isoformat() for border in (part.span.start, part.span.until)]
    files = [file.sha256.hex() for file in part.files]
    named = [_WRITER, table.pk, part.version, grant.consent.terms_number, part.form, part.span.names, borders, files]
    return hashlib.sha256(orjson.dumps(named)).hexdigest()
