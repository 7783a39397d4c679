"""A device changes hands: the row that follows on another, and what happens to batches of the time around it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from django.db import transaction
from django.db.models import Q

from devices.errors import DeviceHandedOver, DeviceNotEnrolled, DeviceRetired
from devices.frames import batch_frame, merge_frames
from devices.models import Batch, Device, DeviceKey, Measure
from devices.nudging import nudge_resolver

_NOT_COPIED = {"id", "device", "resolved_at", "arrival"}
# The key is in the new owner's hands, so what comes of the time before counts only as long as it can be a late upload.
LATE_UPLOADS = timedelta(days=7)


@transaction.atomic
def hand_over_device(*, device: Device, owner: Any, name: str, country: str, region: str, at: datetime) -> Device:
    """Give a device to another owner: return the row under which its key sends from now on.

    What was measured before `at` stays with the row that there was, and under whoever's it is, whenever it arrives.
    Raises: DeviceNotEnrolled, DeviceRetired, DeviceHandedOver; nothing is written when it raises.
    """
    # The strongest lock: an upload that is under way ends up in the one row or the other, and is shared when resolved.
    locked = Device.objects.select_for_update(of=("self",)).get(pk=device.pk)
    if locked.retired_at:
        raise DeviceRetired
    if locked.handed_over_at:
        raise DeviceHandedOver
    if not locked.enrolled_at:
        raise DeviceNotEnrolled
    locked.handed_over_at = at
    locked.save(update_fields=["handed_over_at"])
    successor = Device.objects.create(
        owner=owner,
        name=name,
        kind=locked.kind,
        country=country,
        region=region,
        created_at=at,
        enrolled_at=at,
        taken_over_at=at,
        predecessor=locked,
    )
    key = DeviceKey.objects.get(device=locked, retired_at=None)
    DeviceKey.objects.filter(pk=key.pk).update(retired_at=at, handed_over_at=at)
    DeviceKey.objects.create(device=successor, public_key=key.public_key, key_id=key.key_id, created_at=at)
    return successor


def lock_with_neighbours(device: Device) -> dict[int, Device]:
    """Lock a device's row and those before and after it, by their pks. What is gone is left out."""
    near = Q(pk=device.pk) | Q(successor=device.pk) | Q(predecessor=device.pk)
    locked = Device.objects.select_for_update(of=("self",), no_key=True).filter(near).order_by("pk")
    return {found.pk: found for found in locked}


def of_span(readings: pl.DataFrame, device: Device) -> pl.DataFrame:
    """Leave out what was measured while the device was in other hands."""
    if device.taken_over_at is not None:
        readings = readings.filter(pl.col("time") >= device.taken_over_at)
    if device.handed_over_at is not None:
        readings = readings.filter(pl.col("time") < device.handed_over_at)
    return readings


def share_batches(device: Device, batches: Iterable[Batch], at: datetime) -> None:
    """Pass on to its neighbours, as waiting, each batch with readings of a time that is theirs.

    A neighbour that has the sequence number keeps what it has; one that was erased gets nothing.
    """
    early = [batch for batch in batches if device.taken_over_at and batch.first_reading_at < device.taken_over_at]
    late = [batch for batch in batches if device.handed_over_at and batch.last_reading_at >= device.handed_over_at]
    before = device.predecessor
    after = Device.objects.filter(predecessor=device).first()
    for neighbour, shared in ((before, early), (after, late)):
        if neighbour is not None and shared:
            # A former owner's measures are settled, unless nothing had arrived yet when the device went.
            is_new = neighbour is after or not Measure.objects.filter(device=neighbour).exists()
            _pass_on(shared, neighbour, may_add_measures=is_new)
            nudge_resolver(neighbour.pk, at)


def is_passed_back(batch: Batch, device: Device) -> bool:
    """Whether a former owner's row has this batch from the one who has the device now."""
    return device.handed_over_at is not None and batch.received_at >= device.handed_over_at


def missing_readings(device: Device, batches: Sequence[Batch]) -> pl.DataFrame:
    """Return what batches that were passed back may add: of measures that the former owner has, in the same unit, and
    not long after the handover. Whether a moment has a reading already is for the caller to see.
    """
    handed_over_at = device.handed_over_at
    in_time = [one for one in batches if handed_over_at and one.received_at < handed_over_at + LATE_UPLOADS]
    known = Measure.objects.filter(device=device).values_list("name", "unit")
    names = pl.DataFrame(list(known), schema={"name": pl.String(), "unit": pl.String()}, orient="row")
    found = of_span(merge_frames([batch_frame(batch) for batch in in_time]), device)
    return found.join(names, on=["name", "unit"], how="semi")


def blank_shared(device: Device, batches: Sequence[Batch]) -> None:
    """Empty the envelopes of batches that hold readings of another owner's time, once everybody has his own."""
    shared = [batch.pk for batch in batches if batch.is_shared(device)]
    if shared:
        Batch.objects.filter(pk__in=shared).update(envelope=b"", envelope_size=0)


def _pass_on(batches: Sequence[Batch], neighbour: Device, *, may_add_measures: bool) -> None:
    if may_add_measures:
        measured = pl.concat([of_span(batch_frame(batch), neighbour) for batch in batches]).unique("name")
        units = zip(measured["name"], measured["unit"], strict=True)
        Measure.objects.bulk_create(
            [Measure(device=neighbour, name=name, unit=unit) for name, unit in units], ignore_conflicts=True
        )
    Batch.objects.bulk_create([_copy(batch, neighbour) for batch in batches], ignore_conflicts=True)


def _copy(batch: Batch, device: Device) -> Batch:
    names = [field.attname for field in Batch._meta.concrete_fields if field.name not in _NOT_COPIED]
    return Batch(device=device, **{name: getattr(batch, name) for name in names})
