"""Delete what one device sent, wherever it is kept here, and say so in the log."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import transaction

from devices.models import Batch, Device
from devices.services import EmptiedDevice, delete_readings
from marketplace.accounts.services import hold_account, record_readings_deletion
from marketplace.consents.standing import change_standing
from marketplace.delivery.models import DeliveryTable
from marketplace.delivery.services import erase_tables
from marketplace.erasure.errors import NoReadings
from marketplace.erasure.models import LeftFile, ReadingsDeletion
from marketplace.erasure.nudging import nudge
from marketplace.handovers.services import consents_ended_by_handover
from marketplace.purchases.services import withdraw_consent_with_refunds

logger = logging.getLogger(__name__)


@transaction.atomic
def delete_device_readings(*, device: Device, at: datetime) -> EmptiedDevice:
    """Delete every reading that a device sent until now, for good. The device goes on, and so does what it sends next.

    Consents over it end with refunds, as when it changes hands; all that was prepared of data under any consent over it
    goes, and the log gets the hashes of those files. Files go after the commit.
    Raises: NoReadings; nothing is written when it raises.
    """
    hold_account(device.owner)
    for pk in consents_ended_by_handover(device, at).values_list("pk", flat=True):
        change_standing(pk)
    if not has_readings(device):
        raise NoReadings
    emptied = delete_readings(device=device, at=at)
    for consent in consents_ended_by_handover(device, at):
        withdraw_consent_with_refunds(consent=consent, at=at)
    tables = DeliveryTable.objects.filter(listing__consent__devices=device)
    paths = [*emptied.paths, *erase_tables(tables=tables, at=at)]
    LeftFile.objects.bulk_create((LeftFile(path=path) for path in paths), ignore_conflicts=True)
    entry_id = record_readings_deletion(device=device, batch_count=emptied.batch_count, at=at)
    ReadingsDeletion.objects.create(entry_id=entry_id)
    transaction.on_commit(nudge)
    logger.info("readings.deleted", extra={"device_id": device.public_id, "batches": emptied.batch_count})
    return emptied


def has_readings(device: Device) -> bool:
    """Whether anything is left to delete."""
    return device.reading_files.exists() or Batch.objects.filter(device=device, envelope_size__gt=0).exists()
