"""What can be done with a listing's table and with what was bought of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from kombu.exceptions import OperationalError

from marketplace.access.errors import AccessError, PurchaseRefunded
from marketplace.access.services import Grant, meter_read
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.consents.services import Terms
from marketplace.delivery.doors.handing_over import empty_file
from marketplace.delivery.errors import DeliveryError
from marketplace.delivery.models import DeliveryTable, Read
from marketplace.delivery.tables.preview import listing_series, preview_rows, sample_rows
from marketplace.delivery.tables.projection import Column, column_names, describe_table
from marketplace.delivery.tables.recording import segment_proof
from marketplace.delivery.tables.refresh import refresh_table
from marketplace.delivery.tables.sweeping import erase_tables, sweep_files
from marketplace.delivery.versions import current_version
from marketplace.delivery.windows import TableFile, check_is_rebuilt, files_for, newest_rows_from
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import publish_listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    buy_listing,
    narrow_consent_and_tell,
    narrow_trial,
    start_clock,
)

__all__ = [
    "Column",
    "TableFile",
    "begin_delivery",
    "buy_and_prepare",
    "column_names",
    "count_read",
    "count_reads",
    "current_version",
    "describe_table",
    "empty_file",
    "erase_tables",
    "files_for",
    "is_ready",
    "listing_series",
    "narrow_and_rebuild",
    "preview_rows",
    "publish_and_prepare",
    "ready_pks",
    "record_read",
    "refresh_table",
    "request_refresh",
    "sample_rows",
    "segment_proof",
    "sweep_files",
]

logger = logging.getLogger(__name__)


_NOTE_READS = """
    INSERT INTO delivery_read (public_id, door, at, purchase_id, token_id, row_count, byte_count)
    SELECT gen_random_uuid(), %s, %s, purchase_id, token_id, row_count, byte_count
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
        AS read (purchase_id, token_id, row_count, byte_count)
"""


def is_ready(purchase: Purchase) -> bool:
    """Return whether the table holds everything that the devices had sent when the purchase was made.

    True also when that is nothing yet: the buyer of a coming period may set up his tools on the empty table.
    """
    return purchase.pk in ready_pks([purchase])


def ready_pks(purchases: Iterable[Purchase]) -> set[int]:
    """Return the pks of those that are ready, with one query for all."""
    ready = Purchase.objects.filter(
        pk__in=[purchase.pk for purchase in purchases],
        listing__delivery_tables__name=DeliveryTable.Name.READINGS,
        listing__delivery_tables__refreshed_at__gte=F("purchased_at"),
    )
    return set(ready.values_list("pk", flat=True))


def begin_delivery(*, grant: Grant, at: datetime) -> Grant:
    """Start the purchase's clock, and return the grant with the window that it has from then on.

    Call it before the files are looked up, when nothing can be refused any more but what is metered. A trial by rows
    gets the newest rows that it holds. Raises: PurchaseRefunded when the buyer took the money back in this moment,
    TableRebuilding.
    """
    purchase = grant.purchase
    is_first = purchase.clock_started_at is None
    if is_first:
        check_is_rebuilt(grant)
    if not start_clock(purchase=purchase, at=at):
        raise PurchaseRefunded
    if not is_first:
        return grant
    if purchase.plan.trial_rows is not None:
        whole = replace(grant, window_until=purchase.window_until)
        narrow_trial(purchase=purchase, window_from=newest_rows_from(whole, purchase.plan.trial_rows))
    return grant.with_window(purchase.window_from, purchase.window_until)


def record_read(*, grant: Grant, door: Read.Door, files: Sequence[TableFile], at: datetime) -> Read:
    """Note one read of the bought data: one for a query, however many requests its files take.

    Raises: PurchaseRefunded, and what access.services.meter_read raises; nothing may be delivered then.
    """
    row_count, byte_count = sum(file.row_count for file in files), sum(file.size for file in files)
    return count_read(grant=grant, door=door, row_count=row_count, byte_count=byte_count, at=at)


def count_read(*, grant: Grant, door: Read.Door, row_count: int, byte_count: int, at: datetime) -> Read:
    """Note one read of so many rows, before the first of them is delivered. Raises what record_read raises."""
    begin_delivery(grant=grant, at=at)
    read = Read(
        purchase=grant.purchase, token=grant.token, door=door, at=at, row_count=row_count, byte_count=byte_count
    )
    if not grant.is_counted:
        read.save()
        return read
    with transaction.atomic():
        meter_read(grant=grant, row_count=read.row_count, at=at)
        read.save()
    return read


def count_reads(
    *, reads: Sequence[tuple[Grant, int, int]], door: Read.Door, at: datetime
) -> list[AccessError | DeliveryError | None]:
    """Note many reads, each a grant with its rows and bytes, and say for each why it may not be delivered, if so.

    As count_read does one after another; those that nothing can refuse any more are written at once.
    """
    is_plain = [grant.purchase.clock_started_at is not None and not grant.is_counted for grant, _, _ in reads]
    plain = [read for read, is_one in zip(reads, is_plain, strict=True) if is_one]
    if plain:
        _note_reads(plain, door, at)
    answers: list[AccessError | DeliveryError | None] = [None] * len(reads)
    for number, (grant, rows, size) in enumerate(reads):
        if not is_plain[number]:
            try:
                count_read(grant=grant, door=door, row_count=rows, byte_count=size, at=at)
            except (AccessError, DeliveryError) as error:
                answers[number] = error
    return answers


def _note_reads(reads: Sequence[tuple[Grant, int, int]], door: Read.Door, at: datetime) -> None:
    """One statement for a thousand readers of a live stream, many times a second: the ORM costs five times that."""
    columns = zip(*((grant.purchase.pk, grant.token.pk, rows, size) for grant, rows, size in reads), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_NOTE_READS, [door, at, *map(list, columns)])


def publish_and_prepare(*, listing: Listing, at: datetime) -> Listing:
    """Publish a listing and have its table made at once. Parameters and refusals as in publish_listing."""
    published = publish_listing(listing=listing, at=at)
    request_refresh(published)
    return published


def buy_and_prepare(
    *,
    listing: Listing,
    plan: Plan,
    buyer: User,
    quoted_micros: int,
    at: datetime,
    idempotency_key: UUID | None = None,
) -> Purchase:
    """Buy a plan and have what was bought prepared at once. Parameters and refusals as in buy_listing."""
    purchase = buy_listing(
        listing=listing,
        plan=plan,
        buyer=buyer,
        quoted_micros=quoted_micros,
        at=at,
        idempotency_key=idempotency_key,
    )
    request_refresh(listing)
    return purchase


def narrow_and_rebuild(*, consent: Consent, terms: Terms, at: datetime) -> Consent:
    """Narrow a consent and have the tables under it made anew at once. Parameters and refusals as in narrow_consent."""
    with transaction.atomic():
        narrowed = narrow_consent_and_tell(consent=consent, terms=terms, at=at)
        for listing in narrowed.listings.held_at(at):
            request_refresh(listing)
    return narrowed


def request_refresh(listing: Listing) -> None:
    """Have the listing's table refreshed soon after the running transaction has committed.

    Only a nudge: when the broker is away, the periodic sweep does the same a little later.
    """
    transaction.on_commit(lambda: _nudge(listing.pk))


def _nudge(listing_id: int) -> None:
    from marketplace.delivery.tasks import refresh_table_task

    try:
        refresh_table_task.apply_async(args=[listing_id], retry=False)
    except OperationalError:
        logger.warning("table.nudge_lost", extra={"listing": listing_id})
