"""Delete what a person's devices are and sent, for good: the rows here, and whose folders have to follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from devices.models import Batch, ClaimCode, Device, DeviceKey, Measure, ReadingFile


@dataclass(frozen=True, slots=True)
class ErasedDevices:
    """What is left to do elsewhere. key_ids: 16 bytes each; folders: in the default storage, ending in a slash."""

    public_ids: list[UUID]
    key_ids: list[bytes]
    folders: list[str]


def lock_devices(*, owner: Any) -> list[Device]:
    """Hold off uploads, enrolments and resolving of all devices of a person until the running transaction ends."""
    return list(Device.objects.select_for_update(of=("self",)).filter(owner=owner).order_by("pk"))


def erase_devices(*, devices: Sequence[Device]) -> ErasedDevices:
    """Delete devices that were locked before, and everything that they sent.

    Whoever uploads at the same time waits for the lock and then finds no device: his key is unknown.
    """
    pks = [device.pk for device in devices]
    key_ids = [bytes(key_id) for key_id in DeviceKey.objects.filter(device__in=pks).values_list("key_id", flat=True)]
    for model in (ClaimCode, Batch, ReadingFile, Measure, DeviceKey):
        model.objects.filter(device__in=pks).delete()
    Device.objects.filter(pk__in=pks).delete()
    public_ids = [device.public_id for device in devices]
    # The whole folder: a crash may have left files there that no row names.
    return ErasedDevices(public_ids, key_ids, [f"readings/{public_id}/" for public_id in public_ids])
