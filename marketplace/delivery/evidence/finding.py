"""Proof of origin: the devices' own signed envelopes of what a grant opens, and the log's word for their keys.

An envelope cannot be cut: it is given when the grant opens every reading in it, and held back and counted otherwise.
Whoever gets it learns the device's public key, sequence numbers and when it signed, which the consent's page says.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from devices.envelope import open_envelope
from devices.evidence import (
    EvidenceColumn,
    EvidenceEnd,
    EvidenceHeader,
    EvidenceKey,
    SignedBatch,
    end_line,
    envelope_line,
    header_line,
    key_line,
)
from devices.models import DeviceKey
from devices.originals import Originals, Sight, find_originals, original_bytes
from ledger.errors import LedgerError, SubjectUnknown
from ledger.receipt_building import receipt_for
from ledger.services import disclose_subject, log_policy
from marketplace.access.services import Grant
from marketplace.accounts.services import enrolment_entry
from marketplace.consents.models import ConsentDevice, Resolution
from marketplace.delivery.errors import NoEvidence
from marketplace.delivery.tables.projection import describe_table, due_until

_ERASED = "The log's entry cannot be opened any more: what shows whose key it names was deleted with an account."
_NOT_RECORDED = "The log has no entry of it that is signed yet."


@dataclass(frozen=True, slots=True)
class EvidenceEnvelope:
    """One batch as its device signed it. device: the pseudonym; replaced: see devices.evidence.SignedBatch."""

    device: str
    sequence: int
    key_id: str
    public_key: bytes
    received_at: datetime
    envelope: bytes
    replaced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Member:
    pseudonym: str
    originals: Originals
    keys: list[DeviceKey]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What would be given, found but not yet read. row_count: rows of the table that the envelopes hold readings of."""

    grant: Grant
    at: datetime
    members: list[_Member]

    @property
    def row_count(self) -> int:
        return sum(member.originals.row_count for member in self.members)

    @property
    def byte_count(self) -> int:
        return sum(found.size for member in self.members for found in member.originals.found)

    @property
    def withheld(self) -> dict[str, int]:
        counts = sum((member.originals.withheld for member in self.members), Counter[str]())
        return dict(sorted(counts.items()))


def find_evidence(grant: Grant, at: datetime, *, received_until: datetime | None = None) -> Evidence:
    """Find the envelopes of what a grant opens, of batches that came until `received_until`.

    Raises NoEvidence: what the grant opens was computed from readings, so no device ever signed it.
    """
    consent = grant.consent
    if consent.resolution != Resolution.RAW:
        raise NoEvidence
    sight = Sight(
        names=grant.fields,
        start=grant.window_from,
        until=grant.window_until,
        due_until=due_until(consent, at),
        received_until=received_until,
    )
    members = [_member(one, sight) for one in consent.consent_devices.select_related("device__owner")]
    return Evidence(grant, at, members)


def evidence_for(grant: Grant, at: datetime, *, received_until: datetime | None = None) -> Iterator[EvidenceEnvelope]:
    """Yield the envelopes, a device's in the order of its numbers. Raises what find_evidence raises."""
    return read_evidence(find_evidence(grant, at, received_until=received_until))


def read_evidence(evidence: Evidence) -> Iterator[EvidenceEnvelope]:
    for member in evidence.members:
        public_keys = {bytes(key.key_id): bytes(key.public_key) for key in member.keys}
        for original, batch in original_bytes(member.originals.found):
            envelope = batch.original_envelope
            key_id = open_envelope(envelope).key_id
            yield EvidenceEnvelope(
                device=member.pseudonym,
                sequence=batch.sequence,
                key_id=key_id.hex(),
                public_key=public_keys[key_id],
                received_at=batch.received_at,
                envelope=envelope,
                replaced=original.replaced,
            )


def evidence_lines(evidence: Evidence) -> Iterator[bytes]:
    """Write the evidence file, as docs/evidence.md describes it."""
    yield header_line(header_of(evidence.grant, evidence.at))
    for member in evidence.members:
        for key in member.keys:
            yield key_line(_key(member.pseudonym, key, evidence.at))
    count = 0
    for one in read_evidence(evidence):
        count += 1
        yield envelope_line(SignedBatch(one.device, one.envelope, _text(one.received_at), one.replaced))
    yield end_line(EvidenceEnd(count, evidence.withheld))


def narrowed(grant: Grant, *, start: datetime | None, until: datetime | None) -> Grant:
    """The same grant for a part of its window."""
    window_from = max((at for at in (grant.window_from, start) if at is not None), default=None)
    return replace(grant, window_from=window_from, window_until=min(grant.window_until, until or grant.window_until))


def _member(member: ConsentDevice, sight: Sight) -> _Member:
    keys = list(DeviceKey.objects.filter(device=member.device).select_related("device").order_by("created_at"))
    return _Member(member.pseudonym, find_originals(member.device, sight), keys)


def header_of(grant: Grant, at: datetime) -> EvidenceHeader:
    return EvidenceHeader(
        purchase=str(grant.purchase.public_id),
        listing=str(grant.listing.public_id),
        resolution=grant.consent.resolution,
        columns=tuple(
            EvidenceColumn(column.name, column.field, column.unit)
            for column in describe_table(grant.consent, grant.fields)
            if column.field
        ),
        window_from="" if grant.window_from is None else _text(grant.window_from),
        window_until=_text(grant.window_until),
        made_at=_text(at),
        policy=log_policy().text(),
    )


def _key(pseudonym: str, key: DeviceKey, at: datetime) -> EvidenceKey:
    """What shows that the log knows this key: the one handle that stands for it is opened, and no other.

    A key that went on with its device to another owner has one handle in both owners' entries, so its buyer can tell
    that they are of one device, and nothing about the owners.
    """
    public_key = bytes(key.public_key)
    try:
        disclosure = disclose_subject(kind="device_key", subject_id=UUID(bytes=bytes(key.key_id)))
    except SubjectUnknown:
        return EvidenceKey(pseudonym, public_key, lacking=_ERASED)
    entry = enrolment_entry(key.device)
    if entry is None:
        return EvidenceKey(pseudonym, public_key, lacking=_NOT_RECORDED)
    try:
        receipt = receipt_for(entry, at=at)
    except LedgerError as error:
        return EvidenceKey(pseudonym, public_key, lacking=f"The log gives no receipt for it: {error}")
    return EvidenceKey(pseudonym, public_key, receipt=receipt, disclosure=disclosure.text())


def _text(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
