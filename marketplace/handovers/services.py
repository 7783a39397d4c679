"""A device leaves its owner's hands: offered to somebody else and taken over, or retired. What it sent stays."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.crypto import salted_hmac

from devices.models import Device
from devices.proof import ALPHABET, normal_code
from devices.services import hand_over_device
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account, record_handover, retire_owned_device
from marketplace.consents.models import Consent
from marketplace.consents.standing import change_standing
from marketplace.handovers import errors
from marketplace.handovers.models import OFFER_STANDS, HandoverOffer
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.services import withdraw_consent_with_refunds

__all__ = [
    "accept_device",
    "consents_ended_by_handover",
    "consents_ended_by_retirement",
    "find_offer",
    "forget_expired_offers",
    "forget_handover_offers",
    "offer_device",
    "retire_device_with_refunds",
    "withdraw_offer",
]

logger = logging.getLogger(__name__)

# 60 bits: nobody guesses it, however often.
_CODE_LENGTH = 12


@transaction.atomic
def offer_device(*, device: Device, email: str, at: datetime) -> tuple[HandoverOffer, str]:
    """Offer a device to the person with that address, and return the offer with the code that the person needs, too.

    The code is shown once and good for 72 hours. Nothing is sent to the address: its owner is told the code by whoever
    offers, so an address with a slip of the pen gets nothing. An offer made before is withdrawn.
    Raises: DeviceNotInUse, NotYourself.
    """
    hold_account(device.owner)
    locked = Device.objects.select_for_update(of=("self",), no_key=True).get(pk=device.pk)
    if locked.state != Device.State.ENROLLED:
        raise errors.DeviceNotInUse
    address = email.strip().lower()
    if address == locked.owner.email.lower():
        raise errors.NotYourself
    _withdraw_offers(locked, at)
    code = "".join(secrets.choice(ALPHABET) for _ in range(_CODE_LENGTH))
    offer = HandoverOffer.objects.create(
        device=locked, email=address, code_hash=_code_hash(code), created_at=at, expires_at=at + OFFER_STANDS
    )
    logger.info("device.offered", extra={"device_id": locked.public_id})
    return offer, "-".join(code[start : start + 4] for start in range(0, _CODE_LENGTH, 4))


@transaction.atomic
def withdraw_offer(*, device: Device, at: datetime) -> None:
    """Take back what is offered of a device. Without an offer this changes nothing."""
    locked = Device.objects.select_for_update(of=("self",), no_key=True).get(pk=device.pk)
    if _withdraw_offers(locked, at):
        logger.info("device.offer_withdrawn", extra={"device_id": locked.public_id})


def find_offer(*, user: User, code: str, at: datetime) -> HandoverOffer:
    """Return what a person would accept with a code. Raises: OfferUnknown, OfferOver, NotYourself, DeviceNotInUse."""
    offer = HandoverOffer.objects.select_related("device__owner").filter(code_hash=_code_hash(code)).first()
    if offer is None:
        raise errors.OfferUnknown
    _check(offer, user, at)
    return offer


@transaction.atomic
def accept_device(*, user: User, code: str, name: str, country: str, region: str, at: datetime) -> Device:
    """Take over a device, and end every consent of its former owner over it with refunds: all or nothing.

    Returns the person's own row of the device. Accepting again returns the same row.
    Raises: OfferUnknown, OfferOver, NotYourself, DeviceNotInUse; nothing is written when it raises.

    Locks, in this order: both accounts, the standing of the device's consents, the device, what was bought under them.
    """
    found = HandoverOffer.objects.select_related("device__owner").filter(code_hash=_code_hash(code)).first()
    if found is None:
        raise errors.OfferUnknown
    for person in sorted((user, found.device.owner), key=lambda one: one.pk):
        hold_account(person)
    _change_standing_of(consents_ended_by_handover(found.device, at))
    device = Device.objects.select_for_update(of=("self",)).filter(pk=found.device_id).first()
    # Asked again now that nobody else can accept or withdraw it.
    offer = HandoverOffer.objects.filter(pk=found.pk).first()
    if device is None or offer is None:
        raise errors.OfferUnknown
    if offer.accepted_at is not None:
        return _taken_over_before(device, user)
    offer.device = device
    _check(offer, user, at)
    ended = list(consents_ended_by_handover(device, at))
    for consent in ended:
        withdraw_consent_with_refunds(consent=consent, at=at)
    taken = hand_over_device(device=device, owner=user, name=name, country=country, region=region, at=at)
    record_handover(device=device, taken=taken, at=at)
    HandoverOffer.objects.filter(pk=offer.pk).update(accepted_at=at, email="")
    _tell(device, taken, ended, at)
    logger.info("device.handed_over", extra={"device_id": device.public_id, "new_device_id": taken.public_id})
    return taken


@transaction.atomic
def retire_device_with_refunds(*, device: Device, at: datetime) -> Device:
    """Refuse the device's key from now on, and end with refunds each consent that no device in use is left under.

    Raises: DeviceNotEnrolled, DeviceRetired, DeviceHandedOver.
    """
    hold_account(device.owner)
    _change_standing_of(consents_ended_by_retirement(device, at))
    locked = Device.objects.select_for_update(of=("self",)).get(pk=device.pk)
    ended = list(consents_ended_by_retirement(locked, at))
    retired = retire_owned_device(device=locked, at=at)
    _withdraw_offers(retired, at)
    for consent in ended:
        withdraw_consent_with_refunds(consent=consent, at=at)
    return retired


def consents_ended_by_handover(device: Device, at: datetime) -> QuerySet[Consent]:
    """A consent can't be narrowed to fewer devices, so one over several devices ends whole."""
    return Consent.objects.filter(devices=device).active_at(at).order_by("pk")


def consents_ended_by_retirement(device: Device, at: datetime) -> QuerySet[Consent]:
    """Those under which nothing would be measured any more; where another device goes on sending, the rest goes on."""
    in_use = Device.objects.enrolled().exclude(pk=device.pk)
    return consents_ended_by_handover(device, at).exclude(devices__in=in_use)


def forget_handover_offers(*, addresses: Iterable[str], at: datetime) -> None:
    """Withdraw what is offered to a person who leaves, and forget the address."""
    offers = HandoverOffer.objects.filter(email__in=[address.lower() for address in addresses])
    offers.filter(accepted_at=None, withdrawn_at=None).update(withdrawn_at=at)
    offers.update(email="")


def forget_expired_offers(*, at: datetime) -> int:
    """End each offer that nobody accepted in its time, and forget the address. Returns how many there were."""
    expired = HandoverOffer.objects.filter(accepted_at=None, withdrawn_at=None, expires_at__lte=at)
    return expired.update(withdrawn_at=at, email="")


def _change_standing_of(consents: QuerySet[Consent]) -> None:
    """Before the device is locked, as whoever erases an account does.

    A consent that is granted in this very moment is locked later; nothing was bought under it yet.
    """
    for pk in consents.values_list("pk", flat=True):
        change_standing(pk)


def _withdraw_offers(device: Device, at: datetime) -> int:
    standing = HandoverOffer.objects.filter(device=device, accepted_at=None, withdrawn_at=None)
    return standing.update(withdrawn_at=at, email="")


def _check(offer: HandoverOffer, user: User, at: datetime) -> None:
    if offer.device.owner_id == user.pk:
        raise errors.NotYourself("This device is yours. The code is for whoever takes it over.")
    is_over = offer.withdrawn_at is not None or offer.accepted_at is not None
    if not is_over and (offer.email != user.email.lower() or not user.has_proven_address()):
        raise errors.OfferUnknown
    if not offer.is_standing(at):
        raise errors.OfferOver
    if offer.device.state != Device.State.ENROLLED:
        raise errors.DeviceNotInUse


def _taken_over_before(device: Device, user: User) -> Device:
    taken = Device.objects.filter(predecessor=device, owner=user).first()
    if taken is None:
        raise errors.OfferOver
    return taken


def _tell(device: Device, taken: Device, ended: Iterable[Consent], at: datetime) -> None:
    notices = [
        NoticeDraft(consent.owner, NoticeKind.CONSENT_CHANGE, _consent_facts(consent), at, consent.public_id)
        for consent in ended
    ]
    for row, step in ((device, "given"), (taken, "taken")):
        facts = {"device": str(row.public_id), "title": row.name, "step": step}
        notices.append(NoticeDraft(row.owner, NoticeKind.HANDOVER, facts, at, row.public_id))
    notify_many(notices)


def _consent_facts(consent: Consent) -> dict[str, str | int]:
    return {"consent": str(consent.public_id), "change": "transferred"}


def _code_hash(code: str) -> bytes:
    return salted_hmac("handovers.code", normal_code(code), algorithm="sha256").digest()
