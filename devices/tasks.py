from celery import shared_task
from django.utils import timezone

from devices.models import Device
from devices.resolving import resolve_batches


@shared_task
def resolve_waiting_task() -> None:
    """Resolve what a lost nudge left. Beat calls this every few seconds."""
    for device in Device.objects.with_waiting_batches():
        resolve_batches(device=device, at=timezone.now())


@shared_task
def resolve_device_task(device_id: int) -> None:
    device = Device.objects.filter(pk=device_id).first()
    if device is not None:
        resolve_batches(device=device, at=timezone.now())
