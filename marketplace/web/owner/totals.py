"""How much a device has sent, with the batches that the resolver has not reached yet."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Min, Sum

from devices.models import Batch, Device


@dataclass(frozen=True)
class DeviceTotals:
    """Times are None as long as the device has sent nothing."""

    reading_count: int
    first_at: datetime | None
    last_at: datetime | None


def device_totals(device: Device) -> DeviceTotals:
    waiting = (
        Batch.objects.filter(device=device)
        .waiting()
        .aggregate(count=Sum("reading_count"), first=Min("first_reading_at"), last=Max("last_reading_at"))
    )
    firsts = [at for at in (device.first_reading_at, waiting["first"]) if at is not None]
    lasts = [at for at in (device.last_reading_at, waiting["last"]) if at is not None]
    return DeviceTotals(
        device.reading_count + (waiting["count"] or 0), min(firsts, default=None), max(lasts, default=None)
    )
