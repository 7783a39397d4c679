from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from ledger.audit import AuditReport, verify_log
from ledger.disclosures import Disclosure
from ledger.entries import check_record, entry_bytes, time_ordered_id
from ledger.errors import EntryRepeated, SubjectUnknown
from ledger.freezing import current_freeze
from ledger.growth import sizes_at
from ledger.kinds import kinds_in
from ledger.models import CommitmentSecret, Entry
from ledger.nudge import nudge_sequencer
from ledger.proofs import prove_consistency, prove_inclusion
from ledger.sequencer import sequence_batch
from ledger.shown_checkpoint import shown_checkpoint
from ledger.tiles import HASH_SIZE
from ledger.trust import final_size, log_policy

__all__ = [
    "AuditReport",
    "EntryDraft",
    "commit_subject",
    "commit_subjects",
    "current_freeze",
    "disclose_subject",
    "final_size",
    "find_entry",
    "forget_subjects",
    "kinds_in",
    "log_policy",
    "prove_consistency",
    "prove_inclusion",
    "sequence_batch",
    "shown_checkpoint",
    "sizes_at",
    "submit_entries",
    "submit_entry",
    "verify_log",
]

# A repeat inserts nothing instead of failing, so that the caller's transaction stays usable.
_SUBMIT = """
    INSERT INTO ledger_outboxrow (kind, key, entry_id, body, submitted_at)
    SELECT %(kind)s, %(key)s, %(entry_id)s, %(body)s, %(at)s
    WHERE NOT EXISTS (SELECT 1 FROM ledger_entry WHERE kind = %(kind)s AND key = %(key)s)
    ON CONFLICT (kind, key) DO NOTHING
"""

# The same for many at once: one statement, however many there are.
_SUBMIT_MANY = """
    INSERT INTO ledger_outboxrow (kind, key, entry_id, body, submitted_at)
    SELECT draft.kind, draft.key, draft.entry_id, draft.body, %s
    FROM unnest(%s::text[], %s::uuid[], %s::uuid[], %s::bytea[]) AS draft (kind, key, entry_id, body)
    WHERE NOT EXISTS (SELECT 1 FROM ledger_entry AS e WHERE e.kind = draft.kind AND e.key = draft.key)
    ORDER BY draft.kind, draft.key
    ON CONFLICT (kind, key) DO NOTHING
"""

# Each sale asks for it: building this query anew each time would take longer than answering it.
_FIND_SECRETS = (
    "SELECT subject_id, secret FROM ledger_commitmentsecret WHERE subject_kind = %s AND subject_id = ANY(%s)"
)


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """One record to submit; see submit_entry."""

    kind: str
    body: Mapping[str, Any]
    key: UUID
    refs: Sequence[str] = ()


def submit_entries(drafts: Sequence[EntryDraft], *, at: datetime) -> list[UUID]:
    """Hand many records to the log at once, all or none, and return their entries' ids in the order given.

    Raises what submit_entry raises. Nothing is written when it raises.
    """
    if not drafts:
        return []
    ids = [time_ordered_id(at) for _ in drafts]
    bodies = [
        _checked_bytes(draft.kind, entry_id, at, draft.refs, draft.body)
        for draft, entry_id in zip(drafts, ids, strict=True)
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        kinds, keys = [draft.kind for draft in drafts], [draft.key for draft in drafts]
        cursor.execute(_SUBMIT_MANY, [at, kinds, keys, ids, bodies])
        if cursor.rowcount != len(drafts):
            raise EntryRepeated
    transaction.on_commit(nudge_sequencer, robust=True)
    return ids


def _checked_bytes(kind: str, entry_id: UUID, at: datetime, refs: Sequence[str], body: Mapping[str, Any]) -> bytes:
    """What the sequencer would refuse must not come in: it would hold up every record behind it."""
    encoded = entry_bytes(kind=kind, entry_id=entry_id, at=at, refs=refs, body=body)
    check_record(encoded, entry_id=str(entry_id), kind=kind)
    return encoded


def submit_entry(*, kind: str, body: Mapping[str, Any], key: UUID, at: datetime, refs: Sequence[str] = ()) -> UUID:
    """Hand one record to the log, in the caller's transaction: it is kept exactly when what it records is kept.

    kind: dotted lower-case words; body: JSON without floats, at most 8 KiB with the log's own fields.
    key: names the record among its kind, so that a retry cannot record it twice. refs: public ids to search by.
    Returns the entry's id; its index is known once the sequencer has committed it.
    Raises: EntryTooLarge, EntryNotCanonical, EntryRepeated. Nothing is written when it raises.
    """
    entry_id = time_ordered_id(at)
    encoded = _checked_bytes(kind, entry_id, at, refs, body)
    values: dict[str, Any] = {"kind": kind, "key": key, "entry_id": entry_id, "body": encoded, "at": at}
    with connection.cursor() as cursor:
        cursor.execute(_SUBMIT, values)
        is_new = cursor.rowcount == 1
    if not is_new:
        raise EntryRepeated
    transaction.on_commit(nudge_sequencer, robust=True)
    return entry_id


def find_entry(entry_id: UUID) -> Entry | None:
    """Return the entry when it is in the log, None while it waits."""
    return Entry.objects.filter(entry_id=entry_id).first()


def commit_subject(*, kind: str, subject_id: UUID) -> str:
    """Return the handle (hex) under which a person or device appears in the log.

    HMAC-SHA-256 of "kind:subject_id" under a random key of this subject, made on first use: without the key nobody
    can tell whose handle it is, with it anybody can check.
    """
    return commit_subjects(kind=kind, subject_ids=[subject_id])[subject_id]


def commit_subjects(*, kind: str, subject_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the handles of several subjects of one kind: in one query once they all have their keys."""
    found = _find_secrets(kind, subject_ids)
    if len(found) < len(set(subject_ids)):
        # In the order of their ids: two transactions that make the same keys would else wait in a circle.
        missing = sorted(set(subject_ids) - set(found))
        fresh = [
            CommitmentSecret(subject_kind=kind, subject_id=subject_id, secret=secrets.token_bytes(HASH_SIZE))
            for subject_id in missing
        ]
        CommitmentSecret.objects.bulk_create(fresh, ignore_conflicts=True)
        found |= _find_secrets(kind, missing)
    return {
        subject_id: hmac.new(found[subject_id], f"{kind}:{subject_id}".encode(), hashlib.sha256).hexdigest()
        for subject_id in subject_ids
    }


def _find_secrets(kind: str, subject_ids: Collection[UUID]) -> dict[UUID, bytes]:
    with connection.cursor() as cursor:
        cursor.execute(_FIND_SECRETS, [kind, list(subject_ids)])
        return {subject_id: bytes(secret) for subject_id, secret in cursor.fetchall()}


def disclose_subject(*, kind: str, subject_id: UUID) -> Disclosure:
    """Return what shows a third party whose handle it is.

    There is no smaller disclosure: a subject has one key, so who gets it can tell all entries of this subject.
    Raises SubjectUnknown: it never stood in the log, or it was erased.
    """
    secret = CommitmentSecret.objects.filter(subject_kind=kind, subject_id=subject_id).values_list("secret", flat=True)
    key = secret.first()
    if key is None:
        raise SubjectUnknown
    return Disclosure(kind, subject_id, bytes(key))


def forget_subjects(subjects: Iterable[tuple[str, UUID]]) -> int:
    """Delete the keys behind the handles of these (kind, id) for good, and return how many there were.

    The entries stay, and every proof still verifies; nobody can tell any more whose handles stand in them.
    """
    names: dict[str, list[UUID]] = {}
    for kind, subject_id in subjects:
        names.setdefault(kind, []).append(subject_id)
    return sum(
        CommitmentSecret.objects.filter(subject_kind=kind, subject_id__in=ids).delete()[0]
        for kind, ids in names.items()
    )
