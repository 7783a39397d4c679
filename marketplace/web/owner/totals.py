"""How much a device has sent, with the batches that the resolver has not reached yet."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Aggregate, Max, Min, OuterRef, Subquery, Sum

from devices.models import Batch, Device


@dataclass(frozen=True)
class DeviceTotals:
    """Times are None as long as the device has sent nothing."""

    reading_count: int
    first_at: datetime | None
    last_at: datetime | None


def device_totals(device: Device) -> DeviceTotals:
    # One statement sees one moment: between two, the resolver could move a batch out of both.
    found = (
        Device.objects.filter(pk=device.pk)
        .annotate(
            waiting_count=_of_waiting(Sum("reading_count")),
            waiting_first_at=_of_waiting(Min("first_reading_at")),
            waiting_last_at=_of_waiting(Max("last_reading_at")),
        )
        .get()
    )
    firsts = [at for at in (found.first_reading_at, found.waiting_first_at) if at is not None]
    lasts = [at for at in (found.last_reading_at, found.waiting_last_at) if at is not None]
    return DeviceTotals(
        found.reading_count + (found.waiting_count or 0), min(firsts, default=None), max(lasts, default=None)
    )


def _of_waiting(aggregate: Aggregate) -> Subquery:
    waiting = Batch.objects.filter(device=OuterRef("pk")).waiting().order_by().values("device")
    return Subquery(waiting.annotate(found=aggregate).values("found"))
