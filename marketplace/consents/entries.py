"""Log entries about consents. Pure.

Field names are chosen by device makers, so only their hash enters the log; whoever holds the terms can recompute it.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from ledger.entries import at_text


def fields_hash_hex(consent_id: UUID, fields: Sequence[str]) -> str:
    """SHA-256 over the consent's public id and its field names, one a line, each line ended by LF."""
    text = "".join(f"{line}\n" for line in (str(consent_id), *fields))
    return hashlib.sha256(text.encode()).hexdigest()


def consent_granted(
    *,
    consent_id: UUID,
    owner: str,
    devices: Sequence[str],
    fields: Sequence[str],
    resolution: str,
    delay_seconds: int,
    purposes: Sequence[str],
    audience: str,
    valid_from: datetime,
    valid_until: datetime,
    refused_purposes: Sequence[str],
    records_others: bool,
    notice_hash: str,
    renews: UUID | None,
) -> dict[str, Any]:
    """owner and devices are handles (HMAC commitments, hex). notice_hash: SHA-256 of the text that was shown, hex."""
    return {
        "owner": owner,
        "devices": list(devices),
        "fields_hash": fields_hash_hex(consent_id, fields),
        "resolution": resolution,
        "delay_seconds": delay_seconds,
        "purposes": list(purposes),
        "audience": audience,
        "refused_purposes": list(refused_purposes),
        "records_others": records_others,
        "notice_hash": notice_hash,
        "renews": None if renews is None else str(renews),
        "valid_from": at_text(valid_from),
        "valid_until": at_text(valid_until),
    }


def consent_narrowed(
    *,
    consent_id: UUID,
    owner: str,
    fields: Sequence[str],
    resolution: str,
    delay_seconds: int,
    purposes: Sequence[str],
    valid_until: datetime,
) -> dict[str, Any]:
    """What is still allowed; devices and audience stay as they were granted."""
    return {
        "owner": owner,
        "fields_hash": fields_hash_hex(consent_id, fields),
        "resolution": resolution,
        "delay_seconds": delay_seconds,
        "purposes": list(purposes),
        "valid_until": at_text(valid_until),
    }


def consent_withdrawn(*, owner: str) -> dict[str, Any]:
    return {"owner": owner}
