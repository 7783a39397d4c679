"""A consent as a record for others: the fields of ISO/IEC TS 27560 in terms of the Data Privacy Vocabulary. Pure.

JSON-LD; the terms are at https://w3id.org/dpv. consent_record.schema.json beside this file says what a record holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from marketplace.consents.purposes import OWN_CODES

SCHEMA_VERSION = "1"
CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "own": "urn:x-ownstream:purpose:",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


@dataclass(frozen=True)
class StateEvent:
    """state: a DPV consent status, such as ConsentGiven. entry_id: its record in the log."""

    state: str
    at: datetime
    entry_id: UUID


@dataclass(frozen=True)
class Narrowing:
    """What a consent allowed until a moment, when it became narrower. entry_id: the record of that in the log."""

    until: datetime
    entry_id: UUID
    fields: Sequence[str]
    purposes: Sequence[str]
    resolution: str
    delay_seconds: int
    valid_until: datetime


@dataclass(frozen=True)
class RecordTerms:
    """What a consent allows. subject: the owner's handle; recipients: who may buy, in words.

    refused: purposes that were offered and not allowed. delay_seconds: how late a reading is handed on.
    """

    consent_id: UUID
    subject: str
    controller: str
    jurisdiction: str
    fields: Sequence[str]
    resolution: str
    delay_seconds: int
    purposes: Sequence[str]
    refused: Sequence[str]
    recipients: str
    records_others: bool
    valid_from: datetime
    valid_until: datetime
    notice_text: str
    notice_hash: str
    notice_version: int
    notice_language: str
    withdrawal_address: str
    renews: UUID | None
    events: Sequence[StateEvent]
    narrowings: Sequence[Narrowing] = ()


def consent_record(terms: RecordTerms) -> dict[str, Any]:
    """Return the record as JSON-LD."""
    return {
        "@context": CONTEXT,
        "@id": f"urn:uuid:{terms.consent_id}",
        "@type": "dpv:ConsentRecord",
        "schemaVersion": SCHEMA_VERSION,
        "dct:identifier": str(terms.consent_id),
        "dpv:hasDataSubject": {"@type": "dpv:DataSubject", "dct:identifier": terms.subject},
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-a",
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:identifier": f"sha256:{terms.notice_hash}",
            "dct:hasVersion": str(terms.notice_version),
            "dct:language": terms.notice_language,
            "dct:description": terms.notice_text,
        },
        "dpv:hasProcess": [_process(terms, purpose) for purpose in terms.purposes],
        "refusedPurposes": [purpose_term(purpose) for purpose in terms.refused],
        "otherPeopleMayBeRecorded": terms.records_others,
        "dpv:hasDuration": {
            "@type": "dpv:UntilTimeDuration",
            "dct:valid": f"{_instant(terms.valid_from)}/{_instant(terms.valid_until)}",
        },
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dct:description": "One click on the page of the consent, at any time, without a reason.",
            "dct:source": terms.withdrawal_address,
        },
        "dct:replaces": None if terms.renews is None else f"urn:uuid:{terms.renews}",
        "dpv:hasConsentStatus": [_event(event) for event in terms.events],
        "allowedBefore": [_narrowing(narrowing) for narrowing in terms.narrowings],
    }


def purpose_term(code: str) -> str:
    return f"own:{code}" if code in OWN_CODES else f"dpv:{code}"


def _process(terms: RecordTerms, purpose: str) -> dict[str, Any]:
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": purpose_term(purpose),
        "dpv:hasPersonalData": list(terms.fields),
        "dpv:hasProcessing": ["dpv:Collect", "dpv:Store", "dpv:Aggregate", "dpv:MakeAvailable"],
        "dpv:hasDataController": terms.controller,
        "dpv:hasRecipient": terms.recipients,
        "dpv:hasStorageCondition": {
            "@type": "dpv:StorageCondition",
            "dpv:hasLocation": terms.jurisdiction,
            "dpv:hasDuration": "Until the owner deletes the device or the account.",
        },
        "dpv:hasJurisdiction": terms.jurisdiction,
        "resolution": terms.resolution,
        "delaySeconds": terms.delay_seconds,
    }


def _event(event: StateEvent) -> dict[str, str]:
    return {"@type": f"dpv:{event.state}", "dct:date": _instant(event.at), "logEntry": f"urn:uuid:{event.entry_id}"}


def _narrowing(narrowing: Narrowing) -> dict[str, Any]:
    return {
        "until": _instant(narrowing.until),
        "logEntry": f"urn:uuid:{narrowing.entry_id}",
        "dpv:hasPersonalData": list(narrowing.fields),
        "dpv:hasPurpose": [purpose_term(purpose) for purpose in narrowing.purposes],
        "resolution": narrowing.resolution,
        "delaySeconds": narrowing.delay_seconds,
        "validUntil": _instant(narrowing.valid_until),
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
