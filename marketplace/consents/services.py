from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction

from devices.models import Device, Measure
from ledger.services import commit_subject, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.consents import entries, errors
from marketplace.consents.models import Audience, Consent, ConsentBuyer, ConsentDevice, NoticeText, Resolution
from marketplace.consents.narrowing import Terms, narrow_consent
from marketplace.consents.notice import LANGUAGE, TEXT, VERSION, notice_hash
from marketplace.consents.purposes import PURPOSE_BY_CODE
from marketplace.consents.records import SCHEMA_FILE, record_of
from marketplace.consents.standing import change_standing

__all__ = [
    "LONGEST_DELAY",
    "LONGEST_TERM",
    "SCHEMA_FILE",
    "Terms",
    "erase_consents",
    "forget_named_buyer",
    "grant_consent",
    "narrow_consent",
    "record_of",
    "withdraw_consent",
]

logger = logging.getLogger(__name__)

LONGEST_DELAY = timedelta(days=90)
LONGEST_TERM = timedelta(days=5 * 366)


@transaction.atomic
def grant_consent(
    *,
    owner: User,
    devices: Sequence[Device],
    fields: Sequence[str],
    resolution: str,
    delay_seconds: int,
    purposes: Sequence[str],
    audience: str,
    buyer_emails: Sequence[str],
    valid_until: datetime,
    at: datetime,
    records_others: bool = False,
    renews: Consent | None = None,
) -> Consent:
    """Record what the owner allows from now on, in the tables and in the log's outbox.

    fields: measure names, in the order in which buyers will see them; purposes: codes of PURPOSES.
    buyer_emails: read only when the audience is "named".
    records_others: other people may be recorded; then there is no raw resolution.
    renews: the owner's earlier consent that this one follows on; it goes on to its own end.
    Every purpose of PURPOSES that is not among purposes counts as refused, and the record says so.
    Raises: a ConsentError; nothing is written when it raises.
    """
    hold_account(owner)
    chosen = _usable_devices(owner, devices)
    _check_terms(resolution, delay_seconds, purposes, valid_until, at)
    if records_others and resolution == Resolution.RAW:
        raise errors.RawOfOthers
    if renews is not None and (renews.owner_id != owner.pk or renews.withdrawn_at is not None):
        raise errors.RenewalUnknown
    _check_fields(chosen, fields)
    named = _named_buyers(audience, buyer_emails)
    consent = Consent(
        owner=owner,
        fields=list(fields),
        resolution=resolution,
        delay_seconds=delay_seconds,
        purposes=list(purposes),
        audience=audience,
        valid_from=at,
        valid_until=valid_until,
        granted_at=at,
        refused_purposes=[code for code in PURPOSE_BY_CODE if code not in purposes],
        records_others=records_others,
        notice=_notice_shown(at),
        renews=renews,
    )
    consent.entry_id = _submit_grant(consent, chosen)
    consent.save(force_insert=True)
    ConsentDevice.objects.bulk_create(
        ConsentDevice(consent=consent, device=device, position=position)
        for position, device in enumerate(chosen, start=1)
    )
    ConsentBuyer.objects.bulk_create(ConsentBuyer(consent=consent, email=email) for email in named)
    logger.info("consent.granted", extra={"consent_id": consent.public_id})
    return consent


@transaction.atomic
def withdraw_consent(*, consent: Consent, at: datetime) -> Consent:
    """End a consent now and for good. Whatever stands on it (listings, tokens, links) refuses from the next request on.

    A consent that is withdrawn already is returned as it is.
    """
    change_standing(consent.pk)
    locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
    if locked.withdrawn_at is not None:
        return locked
    locked.withdrawn_at = at
    locked.withdrawal_entry_id = submit_entry(
        kind="consent.withdrawn",
        body=entries.consent_withdrawn(owner=commit_subject(kind="person", subject_id=locked.owner.public_id)),
        key=locked.public_id,
        at=at,
        refs=[str(locked.public_id)],
    )
    locked.save(update_fields=["withdrawn_at", "withdrawal_entry_id"])
    logger.info("consent.withdrawn", extra={"consent_id": locked.public_id})
    return locked


def erase_consents(*, owner: User) -> None:
    """Delete what a person's withdrawn consents name: the devices, and the people who might have bought.

    The consents themselves stay. They are what shows later that each sale was allowed at its time.
    """
    ConsentDevice.objects.filter(consent__owner=owner).delete()
    ConsentBuyer.objects.filter(consent__owner=owner).delete()


def forget_named_buyer(addresses: Sequence[str]) -> None:
    """Take a person out of every consent that names one of these addresses."""
    ConsentBuyer.objects.filter(email__in=[address.lower() for address in addresses]).delete()


def _submit_grant(consent: Consent, devices: Sequence[Device]) -> uuid.UUID:
    assert consent.notice is not None
    earlier = consent.renews.public_id if consent.renews else None
    return submit_entry(
        kind="consent.granted",
        body=entries.consent_granted(
            consent_id=consent.public_id,
            owner=commit_subject(kind="person", subject_id=consent.owner.public_id),
            devices=[commit_subject(kind="device", subject_id=device.public_id) for device in devices],
            fields=consent.fields,
            resolution=consent.resolution,
            delay_seconds=consent.delay_seconds,
            purposes=consent.purposes,
            audience=consent.audience,
            valid_from=consent.valid_from,
            valid_until=consent.valid_until,
            refused_purposes=consent.refused_purposes,
            records_others=consent.records_others,
            notice_hash=consent.notice.sha256,
            renews=earlier,
        ),
        key=consent.public_id,
        at=consent.granted_at,
        refs=[str(consent.public_id), *([str(earlier)] if earlier else [])],
    )


def _notice_shown(at: datetime) -> NoticeText:
    """Keep the text that owners read now, the first time that one of them grants after reading it."""
    shown, _ = NoticeText.objects.get_or_create(
        sha256=notice_hash(TEXT),
        defaults={"version": VERSION, "language": LANGUAGE, "text": TEXT, "first_shown_at": at},
    )
    return shown


def _usable_devices(owner: User, devices: Sequence[Device]) -> list[Device]:
    wanted = {device.pk for device in devices}
    if not wanted:
        raise errors.NoDevices
    # One that is retired or handed over has its readings still.
    usable = Device.objects.ever_enrolled().select_for_update(of=("self",), no_key=True)
    usable = usable.filter(pk__in=wanted, owner=owner)
    found = {device.pk: device for device in usable.order_by("pk")}
    if len(found) != len(wanted):
        raise errors.DeviceNotUsable
    return [found[pk] for pk in dict.fromkeys(device.pk for device in devices)]


def _check_terms(
    resolution: str, delay_seconds: int, purposes: Sequence[str], valid_until: datetime, at: datetime
) -> None:
    if resolution not in Resolution.values:
        raise errors.ResolutionUnknown
    if not 0 <= delay_seconds <= LONGEST_DELAY.total_seconds():
        raise errors.DelayOutOfRange
    if not purposes:
        raise errors.NoPurposes
    if len(set(purposes)) != len(purposes) or not set(purposes) <= set(PURPOSE_BY_CODE):
        raise errors.PurposeUnknown
    if not at < valid_until <= at + LONGEST_TERM:
        raise errors.TermOutOfRange


def _check_fields(devices: Sequence[Device], fields: Sequence[str]) -> None:
    if not fields:
        raise errors.NoFields
    measured = set(Measure.objects.filter(device__in=devices).values_list("name", flat=True))
    if len(set(fields)) != len(fields) or not set(fields) <= measured:
        raise errors.FieldUnknown


def _named_buyers(audience: str, buyer_emails: Sequence[str]) -> list[str]:
    if audience not in Audience.values:
        raise errors.AudienceIncomplete
    if audience == Audience.ANYONE:
        return []
    named = sorted({email.strip().lower() for email in buyer_emails if email.strip()})
    if not named:
        raise errors.AudienceIncomplete
    return named
