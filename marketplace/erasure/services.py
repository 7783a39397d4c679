"""Erase an account, and do it again after an older backup was restored."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

from django.db import transaction

from devices.models import Device
from devices.services import erase_devices, lock_devices
from ledger.models import AuditRun
from ledger.services import forget_subjects, submit_entry
from marketplace.access.services import end_tokens
from marketplace.accounts.models import User
from marketplace.accounts.services import ErasedPerson, blank_account, lock_account, retire_owned_device
from marketplace.consents.models import Consent
from marketplace.consents.services import erase_consents, forget_named_buyer
from marketplace.consents.standing import change_standing, rely_on_standing
from marketplace.delivery.models import DeliveryTable
from marketplace.delivery.services import erase_tables
from marketplace.disputes.services import erase_disputes
from marketplace.erasure import entries
from marketplace.erasure.letters import remove_letters, send_farewell
from marketplace.erasure.marks import account_mark
from marketplace.erasure.models import Erasure, LeftFile
from marketplace.erasure.nudging import nudge
from marketplace.erasure.outlook import Outlook, obstacles_to, outlook_for
from marketplace.erasure.readings import delete_device_readings, has_readings
from marketplace.handovers.services import forget_handover_offers
from marketplace.invoices.services import issue_due
from marketplace.listings.models import Listing
from marketplace.listings.services import erase_listings, forget_offers
from marketplace.purchases.models import Purchase
from marketplace.purchases.ordering import erase_orders
from marketplace.purchases.services import (
    erase_request_keys,
    lock_purchases,
    take_turn,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.wallet.gateway.services import erase_card_refunds, erase_payees
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import erase_top_ups

__all__ = ["Outlook", "delete_device_readings", "erase_account", "erase_again", "has_readings", "outlook_for"]

logger = logging.getLogger(__name__)


@transaction.atomic
def erase_account(*, user: User, at: datetime) -> User:
    """Erase a person: end what stands on the account, delete what is the person's, keep the books without a person.

    An account that is erased already is returned as it is. Files go after the commit, and so does a letter.
    Raises: StaffAccount, TopUpUnderWay, PayoutUnderWay, PurchaseUnderWay, DisputeUnderWay, UsageNotBilled,
    SalesNotBilled, DebtLeft, MoneyOnHold, EarningsLeft, MoneyInWallet.
    Nothing is written when it raises.

    Locks, in this order: the account; the standing of all consents that are the person's own or that the purchases rely
    on, in the order of their ids; the turn of what is paid by use; what was bought, and top-ups; the devices.
    """
    account, devices = _lock_all(user)
    if account.erased_at is not None:
        return account
    for obstacle in obstacles_to(account):
        raise obstacle
    person = _erase(account, devices, at, is_replay=False)
    transaction.on_commit(partial(send_farewell, address=person.addresses[0], at=at), robust=True)
    return account


@transaction.atomic
def erase_again(*, user: User, at: datetime) -> User:
    """Erase an account that came back with an older backup, whatever the backup says is under way. No letter goes out.

    Money that the backup puts into the wallet stays in the nameless account: whoever restores settles it by hand.
    """
    account, devices = _lock_all(user)
    if account.erased_at is None:
        _erase(account, devices, at, is_replay=True)
    return account


def _lock_all(user: User) -> tuple[User, list[Device]]:
    account = lock_account(user)
    own = set(Consent.objects.filter(owner=account).values_list("pk", flat=True))
    relied = set(Purchase.objects.for_buyer(account).values_list("listing__consent", flat=True))
    for pk in sorted(own | relied):
        (change_standing if pk in own else rely_on_standing)(pk)
    take_turn(account)
    lock_purchases(buyer=account)
    list(TopUp.objects.select_for_update(no_key=True).filter(user=account).order_by("pk"))
    return account, lock_devices(owner=account)


def _erase(account: User, devices: list[Device], at: datetime, *, is_replay: bool) -> ErasedPerson:
    _end_everything(account, devices, at)
    # While the particulars are there that the law wants on them.
    issue_due(at=at, buyer=account)
    erase_orders(buyer=account)
    erase_top_ups(user=account)
    erase_payees(user=account)
    erase_card_refunds(user=account)
    erase_request_keys(buyer=account)
    erase_disputes(user=account)
    sold = Purchase.objects.of_seller(account).values_list("listing", flat=True).distinct()
    erase_listings(seller=account, sold=set(sold))
    erase_consents(owner=account)
    paths = erase_tables(tables=DeliveryTable.objects.filter(listing__seller=account), at=at)
    erased = erase_devices(devices=devices)
    AuditRun.objects.filter(requested_by=account).update(requested_by=None)
    person = blank_account(user=account, at=at)
    forget_named_buyer(person.addresses)
    forget_offers(emails=person.addresses, at=at)
    forget_handover_offers(addresses=person.addresses, at=at)
    forget_subjects(
        [
            ("person", person.public_id),
            *(("device", public_id) for public_id in erased.public_ids),
            *(("device_key", UUID(bytes=key_id)) for key_id in erased.key_ids),
        ]
    )
    LeftFile.objects.bulk_create(LeftFile(path=path) for path in [*paths, *erased.folders])
    mark = Erasure(account_mark=account_mark(person.public_id), erased_on=at.date())
    Erasure.objects.bulk_create([mark], ignore_conflicts=True)
    submit_entry(kind="erasure.done", body=entries.erasure_done(is_replay=is_replay), key=uuid4(), at=at)
    transaction.on_commit(partial(remove_letters, person.addresses), robust=True)
    transaction.on_commit(nudge)
    logger.info("account.erased")
    return person


def _end_everything(account: User, devices: list[Device], at: datetime) -> None:
    """Say to the log what ends, while there are still handles to say it with."""
    end_tokens(buyer=account, at=at)
    for listing in Listing.objects.filter(seller=account, published_at__isnull=False, withdrawn_at=None).order_by("pk"):
        withdraw_listing_with_refunds(listing=listing, at=at)
    for consent in Consent.objects.filter(owner=account, withdrawn_at=None).order_by("pk"):
        withdraw_consent_with_refunds(consent=consent, at=at)
    for device in devices:
        # One whose key nobody knows any more has nothing left that could be retired.
        if device.state == Device.State.ENROLLED and device.keys.exists():
            retire_owned_device(device=device, at=at)
