"""Delete the readings of a device that goes on: what is left of each batch is that it came."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Max, Q

from devices.models import Batch, Device, Measure, ReadingFile
from devices.resolving import resolve_batches


@dataclass(frozen=True, slots=True)
class EmptiedDevice:
    """paths: files of the default storage that nothing names any more."""

    batch_count: int
    reading_count: int
    paths: list[str]


@transaction.atomic
def delete_readings(*, device: Device, at: datetime) -> EmptiedDevice:
    """Delete what a device sent until now, under whoever's row it is; what is a neighbour's stays the neighbour's.

    Number and hash of each batch stay, so that none comes back when it is sent again, and so do the units of measures.
    """
    near = Q(pk=device.pk) | Q(successor=device.pk) | Q(predecessor=device.pk)
    # Whoever uploads now waits for the device's row, and his batch comes after this. The others are those that
    # resolving takes, in the order in which it takes them.
    beyond = Q(successor__successor=device.pk) | Q(predecessor__predecessor=device.pk)
    rows = Device.objects.select_for_update(of=("self",)).filter(near | beyond).order_by("pk")
    locked = {found.pk: found for found in rows}[device.pk]
    # Of a batch that waits each owner of its time gets his part first.
    for one in [*Device.objects.filter(near).exclude(pk=device.pk).order_by("pk"), locked]:
        resolve_batches(device=one, at=at)
    locked.refresh_from_db()
    batches = Batch.objects.filter(device=locked, envelope_size__gt=0)
    # One may have come while this waited for the lock.
    newest_at = batches.aggregate(at=Max("received_at"))["at"] or at
    batch_count = batches.update(envelope=b"", envelope_size=0)
    files = ReadingFile.objects.filter(device=locked)
    emptied = EmptiedDevice(batch_count, locked.reading_count, list(files.values_list("path", flat=True)))
    files.delete()
    Measure.objects.filter(device=locked).update(first_at=None, last_at=None, reading_count=0)
    locked.reading_count, locked.first_reading_at, locked.last_reading_at = 0, None, None
    locked.readings_deleted_at = max(at, newest_at)
    locked.save(update_fields=["reading_count", "first_reading_at", "last_reading_at", "readings_deleted_at"])
    return emptied
