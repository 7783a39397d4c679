"""Log entries about devices. Pure."""

from typing import Any


def device_enrolled(*, owner: str, device: str, key: str, kind: str) -> dict[str, Any]:
    """owner, device, key: handles (HMAC commitments, hex); key stands for the public key."""
    return {"owner": owner, "device": device, "key": key, "device_kind": kind}


def device_retired(*, owner: str, device: str, key: str) -> dict[str, Any]:
    return {"owner": owner, "device": device, "key": key}
