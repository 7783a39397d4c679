"""Log entries about devices. Pure."""

from typing import Any


def device_enrolled(*, owner: str, device: str, key: str, kind: str) -> dict[str, Any]:
    """owner, device, key: handles (HMAC commitments, hex); key stands for the public key."""
    return {"owner": owner, "device": device, "key": key, "device_kind": kind}


def device_handed_over(*, owner: str, new_owner: str, device: str, new_device: str) -> dict[str, Any]:
    """All are handles. A device has one for each owner, so that each can show that his part is his, and no more."""
    return {"owner": owner, "new_owner": new_owner, "device": device, "new_device": new_device}


def device_readings_deleted(*, owner: str, device: str, batch_count: int) -> dict[str, Any]:
    """batch_count: of the signed batches whose envelopes are gone."""
    return {"owner": owner, "device": device, "batch_count": batch_count}


def device_retired(*, owner: str, device: str, key: str) -> dict[str, Any]:
    return {"owner": owner, "device": device, "key": key}
