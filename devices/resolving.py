"""Turn stored batches into one Parquet file for each device and UTC day."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from hashlib import sha256
from io import BytesIO
from uuid import uuid4

import polars as pl
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import DateTimeField, F, Max, Value
from django.db.models.functions import Greatest, Least

from devices.frames import batch_frame, merge_frames
from devices.handing import (
    blank_shared,
    is_passed_back,
    lock_with_neighbours,
    missing_readings,
    of_span,
    share_batches,
)
from devices.models import Batch, Device, ReadingFile

# So many in one transaction: about 200,000 readings, a second of work.
_BATCHES_AT_ONCE = 200
_ADDED = pl.Schema(
    {
        "name": pl.String(),
        "first_at": pl.Datetime("us", "UTC"),
        "last_at": pl.Datetime("us", "UTC"),
        "added": pl.Int64(),
    }
)

_COUNT_MEASURES = """
    UPDATE devices_measure AS measure
    SET reading_count = measure.reading_count + found.added, first_at = least(measure.first_at, found.first_at),
        last_at = greatest(measure.last_at, found.last_at)
    FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
         AS found (name, added, first_at, last_at)
    WHERE measure.device_id = %s AND measure.name = found.name
"""


@dataclass(frozen=True, slots=True)
class _Change:
    """What one day's new file changed: for each measure the rows added, and the first and last time that came in."""

    added: pl.DataFrame
    old_path: str | None


def resolve_batches(*, device: Device, at: datetime) -> int:
    """Resolve every waiting batch of a device. Returns how many batches were resolved.

    Several calls at once are harmless: the device's row is their lock. A crash in between leaves the batches waiting
    and at worst a file that no row names.
    """
    resolved = 0
    while batch_count := _resolve_some(device, at):
        resolved += batch_count
    return resolved


@transaction.atomic
def _resolve_some(device: Device, at: datetime) -> int:
    locked = lock_with_neighbours(device)
    if device.pk not in locked:
        # An account may be erased at any time, and its devices with it.
        return 0
    device = locked[device.pk]
    batches = list(Batch.objects.filter(device=device).waiting().order_by("sequence")[:_BATCHES_AT_ONCE])
    if not batches:
        return 0
    share_batches(device, batches, at)
    own = [batch for batch in batches if not is_passed_back(batch, device)]
    incoming = of_span(merge_frames([batch_frame(batch) for batch in own]), device)
    new_paths: list[str] = []
    try:
        changes = _write_days(device, incoming, new_paths, at)
        # After its own, for nothing of its own may change by them.
        passed_back = missing_readings(device, [batch for batch in batches if is_passed_back(batch, device)])
        changes += _write_days(device, passed_back, new_paths, at, keeps_stored=True)
        _count(device, [change.added for change in changes])
        Batch.objects.filter(pk__in=[batch.pk for batch in batches]).update(resolved_at=at)
        blank_shared(device, batches)
    except BaseException:
        _delete_files(new_paths)
        raise
    transaction.on_commit(partial(_delete_files, [change.old_path for change in changes if change.old_path]))
    return len(batches)


def _write_days(
    device: Device, incoming: pl.DataFrame, new_paths: list[str], at: datetime, *, keeps_stored: bool = False
) -> list[_Change]:
    """keeps_stored: of a moment that has a reading already the new one is left out."""
    days = incoming.with_columns(day=pl.col("time").dt.date()).partition_by("day", as_dict=True, include_key=False)
    files = {file.day: file for file in ReadingFile.objects.filter(device=device, day__in=[day for (day,) in days])}
    changes = []
    for (day,), readings in sorted(days.items()):
        file = files.get(day) or ReadingFile(device=device, day=day, version=0)
        is_kept = keeps_stored and bool(file.path)
        new = readings.join(read_stored(file.path), on=["name", "time"], how="anti") if is_kept else readings
        if new.height:
            changes.append(_write_day(file, new, new_paths, at))
    return changes


def _write_day(file: ReadingFile, readings: pl.DataFrame, new_paths: list[str], at: datetime) -> _Change:
    old_path = file.path or None
    frames = [read_stored(old_path), readings] if old_path else [readings]
    merged = merge_frames(frames)
    content = BytesIO()
    merged.write_parquet(content, compression="zstd")
    file.path = default_storage.save(_new_path(file.device, file.day), ContentFile(content.getvalue()))
    new_paths.append(file.path)
    file.row_count = merged.height
    file.sha256 = sha256(content.getvalue()).digest()
    file.version += 1
    file.updated_at = at
    file.save()
    return _Change(_added(merged, frames[0] if old_path else None, readings), old_path)


def read_stored(path: str) -> pl.DataFrame:
    with default_storage.open(path) as file:
        return pl.read_parquet(BytesIO(file.read()))


def _new_path(device: Device, day: date) -> str:
    """A name that was never used: a reader of the old file is not disturbed, and nothing outside chooses it."""
    return f"readings/{device.public_id}/{day:%Y/%m}/{day}-{uuid4().hex}.parquet"


def _added(merged: pl.DataFrame, before: pl.DataFrame | None, incoming: pl.DataFrame) -> pl.DataFrame:
    counts = merged.group_by("name").agg(added=pl.len().cast(pl.Int64))
    if before is not None:
        old = before.group_by("name").agg(old=pl.len().cast(pl.Int64))
        counts = counts.join(old, on="name", how="left").with_columns(
            added=pl.col("added") - pl.col("old").fill_null(0)
        )
    times = incoming.group_by("name").agg(first_at=pl.col("time").min(), last_at=pl.col("time").max())
    return times.join(counts.select("name", "added"), on="name")


def _count(device: Device, added: Sequence[pl.DataFrame]) -> None:
    found = (
        pl.concat([pl.DataFrame(schema=_ADDED), *added])
        .group_by("name")
        .agg(pl.col("added").sum(), pl.col("first_at").min(), pl.col("last_at").max())
        .sort("name")
    )
    columns = [found[name].to_list() for name in ("name", "added", "first_at", "last_at")]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_MEASURES, [*columns, device.pk])
    newest = Batch.objects.filter(device=device).aggregate(sequence=Max("sequence"), received_at=Max("received_at"))
    Device.objects.filter(pk=device.pk).update(
        reading_count=F("reading_count") + sum(columns[1]),
        # In PostgreSQL both leave NULL aside.
        first_reading_at=Least("first_reading_at", _instant(min(columns[2], default=None))),
        last_reading_at=Greatest("last_reading_at", _instant(max(columns[3], default=None))),
        last_sequence=newest["sequence"],
        last_seen_at=Greatest("last_seen_at", newest["received_at"]),
    )


def _instant(at: datetime | None) -> Value:
    return Value(at, output_field=DateTimeField())


def _delete_files(paths: Sequence[str]) -> None:
    for path in paths:
        default_storage.delete(path)
