"""What can be done with a device. Each function owns its transaction; time comes in as `at`, UTC."""

from devices.batches import BatchReceipt, accept_batch
from devices.enrolment import add_device, enrol_device, issue_claim, issue_nonce, retire_device
from devices.resolving import resolve_batches

__all__ = [
    "BatchReceipt",
    "accept_batch",
    "add_device",
    "enrol_device",
    "issue_claim",
    "issue_nonce",
    "resolve_batches",
    "retire_device",
]
