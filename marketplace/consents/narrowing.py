"""Make a consent narrower, at once and for good. What is wider takes a new consent."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db import transaction

from ledger.services import commit_subject, submit_entry
from marketplace.accounts.services import hold_account
from marketplace.consents import entries, errors
from marketplace.consents.models import Consent, ConsentChange, Resolution
from marketplace.consents.standing import change_standing

logger = logging.getLogger(__name__)

MOST_DELAY_SECONDS = 90 * 86400


@dataclass(frozen=True)
class Terms:
    """What a consent allows and what of it can be made narrower."""

    fields: Sequence[str]
    purposes: Sequence[str]
    resolution: str
    delay_seconds: int
    valid_until: datetime

    @classmethod
    def of(cls, consent: Consent | ConsentChange) -> Self:
        return cls(
            fields=list(consent.fields),
            purposes=list(consent.purposes),
            resolution=consent.resolution,
            delay_seconds=consent.delay_seconds,
            valid_until=consent.valid_until,
        )

    def is_delivered_as(self, other: Terms) -> bool:
        """Whether buyers get the very same rows under both."""
        return (self.fields, self.resolution, self.delay_seconds) == (
            other.fields,
            other.resolution,
            other.delay_seconds,
        )


@transaction.atomic
def narrow_consent(*, consent: Consent, terms: Terms, at: datetime) -> Consent:
    """Let the consent allow only `terms` from now on. Fields and purposes keep the order that they had.

    Files that were made under the wider terms are refused from the commit on, because terms_number moves on.
    Raises: ConsentNotActive, ConsentWidened, NothingNarrowed, NoFields, NoPurposes, ResolutionUnknown, DelayOutOfRange,
    TermOutOfRange; nothing is written when it raises.
    """
    hold_account(consent.owner)
    change_standing(consent.pk)
    locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
    if not locked.is_active(at):
        raise errors.ConsentNotActive
    before = Terms.of(locked)
    after = Terms(
        fields=_kept(before.fields, terms.fields),
        purposes=_kept(before.purposes, terms.purposes),
        resolution=terms.resolution,
        delay_seconds=terms.delay_seconds,
        valid_until=terms.valid_until,
    )
    _check(before, after, at)
    change = _record(locked, before, after, at)
    locked.fields, locked.purposes = list(after.fields), list(after.purposes)
    locked.resolution, locked.delay_seconds = after.resolution, after.delay_seconds
    locked.valid_until = after.valid_until
    locked.refused_purposes += [code for code in before.purposes if code not in after.purposes]
    locked.terms_number += 0 if before.is_delivered_as(after) else 1
    locked.narrowed_at = at
    locked.save()
    logger.info("consent.narrowed", extra={"consent_id": locked.public_id, "change_id": change.public_id})
    return locked


def _kept(before: Sequence[str], wanted: Collection[str]) -> list[str]:
    if not set(wanted) <= set(before):
        raise errors.ConsentWidened
    return [one for one in before if one in wanted]


def _check(before: Terms, after: Terms, at: datetime) -> None:
    if not after.fields:
        raise errors.NoFields
    if not after.purposes:
        raise errors.NoPurposes
    steps = Resolution.values
    if after.resolution not in steps:
        raise errors.ResolutionUnknown
    if after.delay_seconds > max(MOST_DELAY_SECONDS, before.delay_seconds):
        raise errors.DelayOutOfRange
    is_finer = steps.index(after.resolution) < steps.index(before.resolution)
    if is_finer or after.delay_seconds < before.delay_seconds or after.valid_until > before.valid_until:
        raise errors.ConsentWidened
    if after.valid_until <= at:
        raise errors.TermOutOfRange
    if after == before:
        raise errors.NothingNarrowed


def _record(consent: Consent, before: Terms, after: Terms, at: datetime) -> ConsentChange:
    public_id = uuid.uuid4()
    entry_id = submit_entry(
        kind="consent.narrowed",
        body=entries.consent_narrowed(
            consent_id=consent.public_id,
            owner=commit_subject(kind="person", subject_id=consent.owner.public_id),
            fields=after.fields,
            resolution=after.resolution,
            delay_seconds=after.delay_seconds,
            purposes=after.purposes,
            valid_until=after.valid_until,
        ),
        key=public_id,
        at=at,
        refs=[str(public_id), str(consent.public_id)],
    )
    return ConsentChange.objects.create(
        public_id=public_id,
        consent=consent,
        at=at,
        entry_id=entry_id,
        fields=before.fields,
        purposes=before.purposes,
        resolution=before.resolution,
        delay_seconds=before.delay_seconds,
        valid_until=before.valid_until,
    )
