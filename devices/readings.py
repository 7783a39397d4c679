"""Read what devices measured: the Parquet files of resolved days, and the batches that are not there yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.core.files.storage import default_storage

from devices.frames import SCHEMA, batch_frame, merge_frames
from devices.handing import is_passed_back, of_span
from devices.models import Batch, Device, ReadingFile

_TRIES = 3
_INSTANT = timedelta(microseconds=1)


def read_readings(
    device: Device, *, names: Sequence[str] | None = None, start: datetime | None = None, until: datetime | None = None
) -> pl.DataFrame:
    """Return readings with start <= time < until, sorted by name and time. names: all measures when None.

    Only those of the time in which the device was in its owner's hands. A batch that waits may hold others.
    Columns: name, time (microseconds, UTC), value, unit (UCUM), sequence (of the batch that brought it).
    """
    start = max((at for at in (start, device.taken_over_at) if at is not None), default=None)
    until = min((at for at in (until, device.handed_over_at) if at is not None), default=None)
    # Waiting batches come first: what a resolver moves in between is then seen twice, never missed.
    waiting = Batch.objects.filter(device=device).waiting()
    if start is not None:
        waiting = waiting.filter(last_reading_at__gte=start - _INSTANT)
    if until is not None:
        waiting = waiting.filter(first_reading_at__lte=until)
    frames = [_chosen(batch_frame(batch).lazy(), names, start, until).collect() for batch in waiting]
    return merge_frames([*_read_files(device, names, start, until), *frames])


def read_batches(device: Device, batches: Sequence[Batch], *, names: Sequence[str]) -> pl.DataFrame:
    """Return what some batches of a device brought, as read_readings returns it, whether they are resolved or not."""
    whole = [batch for batch in batches if batch.envelope and not is_passed_back(batch, device)]
    frames = [_chosen(of_span(batch_frame(batch), device).lazy(), names, None, None).collect() for batch in whole]
    for batch in batches:
        if batch not in whole:
            # What of it is this owner's is in the files, or is chosen by the rules of a handover.
            until = batch.last_reading_at + _INSTANT
            readings = read_readings(device, names=names, start=batch.first_reading_at, until=until)
            frames.append(readings.filter(pl.col("sequence") == batch.sequence))
    return merge_frames(frames)


def read_series(device: Device, name: str, start: datetime, until: datetime, points: int) -> pl.DataFrame:
    """Return time, mean, low, high of one measure in at most `points` equal buckets. Empty buckets are left out."""
    readings = read_readings(device, names=[name], start=start, until=until)
    bucket = max((until - start) // points, _INSTANT)
    # The bucket is rounded up to whole microseconds, so there is never one more than asked for.
    if bucket * points < until - start:
        bucket += _INSTANT
    place = ((pl.col("time") - start).dt.total_microseconds() // (bucket // _INSTANT)).alias("place")
    return (
        readings.group_by(place)
        .agg(mean=pl.col("value").mean(), low=pl.col("value").min(), high=pl.col("value").max())
        .sort("place")
        .select((pl.lit(start) + pl.col("place") * bucket).cast(SCHEMA["time"]).alias("time"), "mean", "low", "high")
    )


def _read_files(
    device: Device, names: Sequence[str] | None, start: datetime | None, until: datetime | None
) -> list[pl.DataFrame]:
    files = ReadingFile.objects.filter(device=device)
    if start is not None:
        files = files.filter(day__gte=start.date())
    if until is not None:
        files = files.filter(day__lte=until.date())
    for attempt in range(1, _TRIES + 1):
        paths = list(files.values_list("path", flat=True))
        if not paths:
            return []
        try:
            # All paths or all bytes, by the storage: polars reads many files at once.
            sources: Any = [_source(path) for path in paths]
            return [_chosen(pl.scan_parquet(sources), names, start, until).collect()]
        except FileNotFoundError:
            # A resolver replaced a file after its row was read; the new row names the new file.
            if attempt == _TRIES:
                raise
    return []


def _source(path: str) -> str | bytes:
    try:
        return default_storage.path(path)
    except NotImplementedError:
        with default_storage.open(path) as file:
            return file.read()


def _chosen(
    readings: pl.LazyFrame, names: Sequence[str] | None, start: datetime | None, until: datetime | None
) -> pl.LazyFrame:
    if names is not None:
        readings = readings.filter(pl.col("name").is_in(list(names)))
    if start is not None:
        readings = readings.filter(pl.col("time") >= start)
    if until is not None:
        readings = readings.filter(pl.col("time") < until)
    return readings
