"""The batches of a device as it signed them, for somebody who may see some of its readings and no others."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from devices.envelope import SENML_CBOR, open_envelope
from devices.evidence import DELAY, FIELDS, MORE, SHARED, WINDOW
from devices.frames import SCHEMA, batch_frame
from devices.models import Batch, Device
from devices.readings import read_readings
from devices.senml_columns import holds_only_readings

_AT_ONCE = 100
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Sight:
    """What may be seen: readings of these names with start <= time < until, of batches that came and were resolved
    until received_until.

    due_until: readings from it on are held back for a time.
    """

    names: Collection[str]
    start: datetime | None
    until: datetime
    due_until: datetime | None = None
    received_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """A batch all of whose readings may be seen. replaced: which of them, from 0, other batches' readings replaced."""

    pk: int
    size: int
    replaced: tuple[int, ...]


@dataclass
class Originals:
    """withheld: how many batches hold something that may not be seen, by reason. row_count: different times."""

    device: Device
    found: list[Original] = field(default_factory=list)
    withheld: Counter[str] = field(default_factory=Counter)
    row_count: int = 0


def find_originals(device: Device, sight: Sight) -> Originals:
    originals = Originals(device)
    times: list[pl.Series] = []
    names = set(sight.names)
    batches = Batch.objects.filter(device=device).order_by("sequence")
    if sight.received_until is not None:
        # What was resolved later may be in no table of then.
        batches = batches.filter(received_at__lte=sight.received_until, resolved_at__lte=sight.received_until)
    for chunk in _chunks(list(batches.values_list("pk", flat=True))):
        open_ones: list[tuple[Batch, pl.DataFrame]] = []
        for batch in Batch.objects.filter(pk__in=chunk).order_by("sequence"):
            if batch.is_deleted(device):
                continue
            reason = _obstacle(batch, device, sight)
            readings = pl.DataFrame(schema=SCHEMA) if reason else batch_frame(batch)
            if not reason and not set(readings["name"].unique()) <= names:
                reason = FIELDS
            if reason:
                originals.withheld[reason] += 1
            else:
                open_ones.append((batch, readings))
        if open_ones:
            times.append(_add(originals, open_ones, sight))
    originals.row_count = pl.concat(times).n_unique() if times else 0
    return originals


def original_bytes(originals: Sequence[Original]) -> Iterator[tuple[Original, Batch]]:
    """Read the envelopes, some at a time. One that is gone meanwhile is left out."""
    for start in range(0, len(originals), _AT_ONCE):
        some = {original.pk: original for original in originals[start : start + _AT_ONCE]}
        for batch in list(Batch.objects.filter(pk__in=some, envelope_size__gt=0).order_by("sequence")):
            yield some[batch.pk], batch


def _chunks(pks: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(pks), _AT_ONCE):
        yield pks[start : start + _AT_ONCE]


def _obstacle(batch: Batch, device: Device, sight: Sight) -> str:
    """Say what else an envelope would show beside the fields in it; empty when it may be seen."""
    if not batch.envelope_size or batch.is_shared(device):
        return SHARED
    if batch.last_reading_at >= sight.until or (sight.start is not None and batch.first_reading_at < sight.start):
        return WINDOW
    if sight.due_until is not None and batch.last_reading_at >= sight.due_until:
        return DELAY
    opened = open_envelope(batch.original_envelope)
    # Fields that are not SenML's were passed over when the batch was taken, and nobody consented to showing them.
    is_cbor = opened.content_type == SENML_CBOR
    return "" if holds_only_readings(opened.payload, is_cbor=is_cbor) else MORE


def _add(originals: Originals, found: Sequence[tuple[Batch, pl.DataFrame]], sight: Sight) -> pl.Series:
    sent = pl.concat([readings.with_row_index("place").with_columns(pk=pl.lit(batch.pk)) for batch, readings in found])
    stands = read_readings(
        originals.device,
        names=list(sight.names),
        start=min(batch.first_reading_at for batch, _ in found),
        until=max(batch.last_reading_at for batch, _ in found) + _MICROSECOND,
    ).select("name", "time", counts=pl.col("sequence"))
    joined = sent.join(stands, on=["name", "time"], how="left")
    replaced = joined.filter(pl.col("counts").is_null() | (pl.col("counts") != pl.col("sequence")))
    places = dict(replaced.group_by("pk").agg(pl.col("place").sort()).iter_rows())
    originals.found += [Original(batch.pk, batch.envelope_size, tuple(places.get(batch.pk, ()))) for batch, _ in found]
    return sent["time"].unique()
