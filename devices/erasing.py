"""Delete what a person's devices are and sent, for good: the rows here, and whose folders have to follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q

from devices.models import Batch, ClaimCode, Device, DeviceKey, Measure, ReadingFile


@dataclass(frozen=True, slots=True)
class ErasedDevices:
    """What is left to do elsewhere. key_ids: 16 bytes each; folders: in the default storage, ending in a slash."""

    public_ids: list[UUID]
    key_ids: list[bytes]
    folders: list[str]


def lock_devices(*, owner: Any) -> list[Device]:
    """Hold off uploads, enrolments and resolving of all devices of a person until the running transaction ends."""
    # With the rows that follow on them: deleting the first writes to those, and resolving takes both in this order.
    of_owner = Q(owner=owner) | Q(predecessor__owner=owner)
    locked = Device.objects.select_for_update(of=("self",)).filter(of_owner).order_by("pk")
    return [device for device in locked if device.owner_id == owner.pk]


def erase_devices(*, devices: Sequence[Device]) -> ErasedDevices:
    """Delete devices that were locked before, and everything that they sent.

    Whoever uploads at the same time waits for the lock and then finds no device: his key is unknown. A key that went on
    with a device to its next owner stays that one's.
    """
    pks = [device.pk for device in devices]
    keys = DeviceKey.objects.filter(device__in=pks)
    elsewhere = DeviceKey.objects.filter(key_id=OuterRef("key_id")).exclude(device__in=pks)
    key_ids = [bytes(key_id) for key_id in keys.filter(~Exists(elsewhere)).values_list("key_id", flat=True).distinct()]
    for model in (ClaimCode, Batch, ReadingFile, Measure, DeviceKey):
        model.objects.filter(device__in=pks).delete()
    Device.objects.filter(pk__in=pks).delete()
    public_ids = [device.public_id for device in devices]
    # The whole folder: a crash may have left files there that no row names.
    return ErasedDevices(public_ids, key_ids, [f"readings/{public_id}/" for public_id in public_ids])
