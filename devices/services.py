"""What can be done with a device. Each function owns its transaction; time comes in as `at`, UTC."""

from devices.batches import BatchReceipt, accept_batch
from devices.emptying import EmptiedDevice, delete_readings
from devices.enrolment import add_device, enrol_device, issue_claim, issue_nonce, retire_device
from devices.erasing import ErasedDevices, erase_devices, lock_devices
from devices.handing import hand_over_device
from devices.resolving import resolve_batches

__all__ = [
    "BatchReceipt",
    "EmptiedDevice",
    "ErasedDevices",
    "accept_batch",
    "add_device",
    "delete_readings",
    "enrol_device",
    "erase_devices",
    "hand_over_device",
    "issue_claim",
    "issue_nonce",
    "lock_devices",
    "resolve_batches",
    "retire_device",
]
