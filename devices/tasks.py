from celery import shared_task
from django.utils import timezone

from devices.models import Device
from devices.resolving import resolve_batches

# A nudge that is not taken by then is not needed: the next sweep gives it again.
_NUDGE_SECONDS = 5


@shared_task
def resolve_waiting_task() -> None:
    """Find what a lost nudge left. A task for each device: one that cannot be resolved holds up no other."""
    for device_id in Device.objects.with_waiting_batches().values_list("pk", flat=True):
        resolve_device_task.apply_async((device_id,), expires=_NUDGE_SECONDS)


@shared_task
def resolve_device_task(device_id: int) -> None:
    device = Device.objects.filter(pk=device_id).first()
    if device is not None:
        resolve_batches(device=device, at=timezone.now())
