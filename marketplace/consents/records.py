"""The record of a stored consent, checked against its schema before anybody gets it."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from jsonschema import Draft202012Validator

from ledger.services import commit_subject
from marketplace.consents.models import Audience, Consent
from marketplace.consents.notice import LANGUAGE, TEXT, VERSION, notice_hash
from marketplace.consents.record import Narrowing, RecordTerms, StateEvent, consent_record

SCHEMA_FILE = Path(__file__).with_name("consent_record.schema.json")


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA_FILE.read_bytes()))


def record_of(consent: Consent, *, withdrawal_address: str, at: datetime) -> dict[str, Any]:
    """Return the consent as JSON-LD, as it stands at a moment. Raises jsonschema.ValidationError if it is not whole.

    withdrawal_address: where the owner ends it.
    """
    notice = consent.notice
    text = notice.text if notice else TEXT
    record = consent_record(
        RecordTerms(
            consent_id=consent.public_id,
            subject=commit_subject(kind="person", subject_id=consent.owner.public_id),
            controller=settings.LEDGER_ORIGIN,
            jurisdiction="EU",
            fields=consent.fields,
            resolution=consent.resolution,
            delay_seconds=consent.delay_seconds,
            purposes=consent.purposes,
            refused=consent.refused_purposes,
            recipients=str(Audience(consent.audience).label),
            records_others=consent.records_others,
            valid_from=consent.valid_from,
            valid_until=consent.valid_until,
            notice_text=text,
            notice_hash=notice.sha256 if notice else notice_hash(text),
            notice_version=notice.version if notice else VERSION,
            notice_language=notice.language if notice else LANGUAGE,
            withdrawal_address=withdrawal_address,
            renews=consent.renews.public_id if consent.renews else None,
            events=_events(consent, at),
            narrowings=[
                Narrowing(
                    until=change.at,
                    entry_id=change.entry_id,
                    fields=change.fields,
                    purposes=change.purposes,
                    resolution=change.resolution,
                    delay_seconds=change.delay_seconds,
                    valid_until=change.valid_until,
                )
                for change in consent.changes.all()
            ],
        )
    )
    _validator().validate(record)
    return record


def _events(consent: Consent, at: datetime) -> list[StateEvent]:
    given = "RenewedConsentGiven" if consent.renews else "ConsentGiven"
    events = [StateEvent(given, consent.granted_at, consent.entry_id)]
    if consent.withdrawn_at is not None and consent.withdrawal_entry_id is not None:
        events.append(StateEvent("ConsentWithdrawn", consent.withdrawn_at, consent.withdrawal_entry_id))
    elif at >= consent.valid_until:
        # It says its own end, so the entry of the grant proves this, too.
        events.append(StateEvent("ConsentExpired", consent.valid_until, consent.entry_id))
    return events
