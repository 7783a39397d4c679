import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from marketplace.access.errors import AccessError
from marketplace.access.services import authorise_token_id
from marketplace.delivery.errors import DeliveryError
from marketplace.delivery.exports.formats import Format
from marketplace.delivery.exports.making import Wish, make_export, sweep_exports
from marketplace.delivery.models import Export
from marketplace.delivery.promise import refund_what_never_came
from marketplace.delivery.reads.folding import fold_live_reads
from marketplace.delivery.reads.summarising import MOST_AT_ONCE, summarise_reads
from marketplace.delivery.services import refresh_table, sweep_files
from marketplace.delivery.tables.derivations import listings_to_state, state_derivations
from marketplace.delivery.tables.recording import listings_to_record, record_segments
from marketplace.delivery.tables.waiting import fresh_tables, tables_to_refresh
from marketplace.listings.models import Listing

logger = logging.getLogger(__name__)

# A nudge that is not taken by then is not needed: the next sweep gives it again.
_NUDGE_SECONDS = 15
_FRESH_SECONDS = 2


@shared_task(autoretry_for=(OSError,), max_retries=3, retry_backoff=2)
def refresh_table_task(listing_id: int) -> None:
    listing = Listing.objects.filter(pk=listing_id).first()
    if listing is not None:
        refresh_table(listing=listing, at=timezone.now())


@shared_task
def refresh_tables_task() -> None:
    """Find the tables that have fallen behind and have each refreshed."""
    for listing_id in tables_to_refresh(timezone.now()):
        refresh_table_task.apply_async(args=[listing_id], expires=_NUDGE_SECONDS)
    for listing_id in listings_to_state():
        state_derivations_task.apply_async(args=[listing_id], expires=_NUDGE_SECONDS)
    for listing_id in listings_to_record(timezone.now()):
        record_segments_task.apply_async(args=[listing_id], expires=_NUDGE_SECONDS)


@shared_task(ignore_result=True)
def refresh_fresh_tables_task() -> None:
    for listing_id in fresh_tables(timezone.now()):
        refresh_table_task.apply_async(args=[listing_id], expires=_FRESH_SECONDS)


@shared_task(ignore_result=True)
def fold_live_reads_task() -> None:
    fold_live_reads(at=timezone.now())


@shared_task(ignore_result=True)
def state_derivations_task(listing_id: int) -> None:
    listing = Listing.objects.filter(pk=listing_id).first()
    if listing is not None:
        state_derivations(listing=listing, at=timezone.now())


@shared_task(ignore_result=True)
def record_segments_task(listing_id: int) -> None:
    listing = Listing.objects.filter(pk=listing_id).first()
    if listing is not None:
        record_segments(listing=listing, at=timezone.now())


@shared_task(ignore_result=True)
def refund_what_never_came_task() -> int:
    return refund_what_never_came(at=timezone.now())


@shared_task
def sweep_files_task() -> None:
    sweep_files(at=timezone.now())
    sweep_exports(timezone.now())


@shared_task(ignore_result=True)
def summarise_reads_task() -> None:
    while summarise_reads(at=timezone.now()) == MOST_AT_ONCE:
        pass


@shared_task(ignore_result=True)
def make_export_task(export_id: int, token_id: str, wanted: list[Any]) -> None:
    """Of a token that opens nothing any more nothing is made."""
    export = Export.objects.filter(pk=export_id, ready_at=None).first()
    if export is None:
        return
    form, start, until, columns, version = wanted
    start, until = (text and datetime.fromisoformat(text) for text in (start, until))
    wish = Wish(Format(form), start, until, columns and tuple(columns), version)
    now = timezone.now()
    try:
        make_export(export, authorise_token_id(UUID(token_id), now), wish, now)
    except (AccessError, DeliveryError) as error:
        logger.info("export.not_made", extra={"code": error.code})
