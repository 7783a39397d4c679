from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars
import pytest
from django.conf import settings
from django.db import IntegrityError

from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.services import current_version, is_ready, refresh_table, sample_rows, sweep_files
from marketplace.delivery.tables import refresh
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.recording import record_segments
from marketplace.delivery.tables.waiting import tables_to_refresh
from marketplace.listings.models import Listing
from marketplace.listings.services import withdraw_listing
from tests.builders import make_consent, make_draft, make_listing
from tests.builders_delivery import (
    FREE,
    buy,
    day_start,
    make_signing_device,
    make_stocked_listing,
    minutes,
)
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def table_rows(listing: Listing) -> polars.DataFrame:
    segments = Segment.objects.current().filter(table__listing=listing).order_by("day")
    return polars.concat([read_rows(segment.path) for segment in segments])


def stored_files() -> set[Path]:
    return set((Path(settings.MEDIA_ROOT) / "tables").rglob("*.parquet"))


def test_writes_one_file_a_day_with_exact_values(sara: User, now: datetime) -> None:
    start = day_start(now, 1) + 23 * HOUR
    sent = minutes(start, 120)
    _, listing = make_stocked_listing(sara, now, readings=sent)

    table = refresh_table(listing=listing, at=now)

    assert table.version == 1
    assert [segment.row_count for segment in table.segments.order_by("day")] == [60, 60]
    assert table_rows(listing).rows() == [(time, "device-1", value) for time, _, value in sent]


def test_a_repeat_changes_nothing(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    refresh_table(listing=listing, at=now)
    before, files = list(Segment.objects.values()), stored_files()

    again = refresh_table(listing=listing, at=now + HOUR)

    assert again.version == 1
    assert again.updated_at == now
    assert again.refreshed_at == now + HOUR
    assert list(Segment.objects.values()) == before
    assert stored_files() == files


def test_new_readings_replace_only_their_day(sara: User, now: datetime) -> None:
    sender, listing = make_stocked_listing(sara, now)
    refresh_table(listing=listing, at=now)
    sender.send(minutes(day_start(now), 5), now + HOUR)

    table = refresh_table(listing=listing, at=now + HOUR)

    assert table.version == 2
    assert list(table.segments.order_by("day").values_list("added_version", "removed_version")) == [
        (1, None),
        (2, None),
    ]
    sender.send([(day_start(now) + 6 * HOUR, "air_temperature", 1.0)], now + 2 * HOUR)
    assert refresh_table(listing=listing, at=now + 2 * HOUR).version == 3
    assert [list(Segment.objects.at_version(version).values_list("row_count", flat=True)) for version in (1, 2, 3)] == [
        [60],
        [60, 5],
        [60, 5, 1],
    ]


def test_delivers_the_consents_fields_and_devices_only(sara: User, now: datetime) -> None:
    at = day_start(now)
    devices = [make_signing_device(sara, now, name) for name in ("Roof", "Cellar", "Bedroom")]
    for number, sender in enumerate(devices):
        sender.send([(at, "air_temperature", float(number)), (at, "humidity", 50.0)], now)
    consent = make_consent(sara, now, devices=[devices[0].device, devices[1].device])
    listing = make_listing(sara, now, consent=consent, plans=[FREE])

    refresh_table(listing=listing, at=now)

    assert table_rows(listing).to_dicts() == [
        {"time": at, "device": "device-1", "air_temperature": 0.0},
        {"time": at, "device": "device-2", "air_temperature": 1.0},
    ]


def test_delivers_readings_only_after_the_delay(sara: User, now: datetime) -> None:
    sent = minutes(now.replace(minute=0, second=0), 20)
    _, listing = make_stocked_listing(sara, now, readings=sent, delay_seconds=3600)

    table = refresh_table(listing=listing, at=now)
    assert (table.version, table.next_due_at) == (0, now.replace(hour=9, minute=30, second=0))
    later = now + HOUR
    assert tables_to_refresh(later) == [listing.pk]
    table = refresh_table(listing=listing, at=later)

    assert table.version == 1
    assert table_rows(listing).height == 15
    table = refresh_table(listing=listing, at=later + HOUR)
    assert table_rows(listing).height == 20
    assert table.next_due_at is None
    assert tables_to_refresh(later + 30 * HOUR) == []


def test_averages_wait_for_their_bucket_to_end(sara: User, now: datetime) -> None:
    start = now.replace(hour=8, minute=0, second=0)
    _, listing = make_stocked_listing(sara, now, readings=minutes(start, 80), resolution="1h")
    refresh_table(listing=listing, at=now)
    mean = sum(20 + number / 7 for number in range(60)) / 60
    assert table_rows(listing).rows() == [(start, "device-1", pytest.approx(mean, rel=1e-15))]
    refresh_table(listing=listing, at=now + HOUR)
    assert table_rows(listing).height == 2


@pytest.mark.parametrize("end", ["consent", "listing", "draft"])
def test_leaves_a_listing_alone_that_may_not_deliver(sara: User, now: datetime, end: str) -> None:
    if end == "draft":
        sender = make_signing_device(sara, now)
        sender.send(minutes(day_start(now), 5), now)
        listing = make_draft(sara, now, consent=make_consent(sara, now, devices=[sender.device]))
    else:
        _, listing = make_stocked_listing(sara, now)
    if end == "consent":
        withdraw_consent(consent=listing.consent, at=now)
    if end == "listing":
        withdraw_listing(listing=listing, at=now)
    assert refresh_table(listing=listing, at=now + HOUR).version == 0
    assert not Segment.objects.exists()
    assert tables_to_refresh(now + HOUR) == []


def test_a_crash_before_the_rows_leaves_only_a_file_that_is_swept(
    sara: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, listing = make_stocked_listing(sara, now)

    def crash(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(refresh, "_replace_segments", crash)
        refresh_table(listing=listing, at=now)
    assert not Segment.objects.exists()

    assert refresh_table(listing=listing, at=now).version == 1
    kept = {Path(settings.MEDIA_ROOT) / path for path in Segment.objects.values_list("path", flat=True)}
    orphans = stored_files() - kept
    assert orphans
    future = now.replace(year=now.year + 5)
    assert sweep_files(at=future) >= 1
    assert stored_files() == kept


def test_replaced_files_go_after_a_while_and_their_versions_with_them(
    sara: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that tells a change goes later than one that does not."""
    monkeypatch.setattr(refresh, "MOST_PARTS", 1)
    sender, listing = make_stocked_listing(sara, now)
    for value in (1.0, 2.0):
        refresh_table(listing=listing, at=now)
        sender.send([(day_start(now, 1), "air_temperature", value)], now)
    refresh_table(listing=listing, at=now)
    told = [(1, "add", 2), (2, "add", 2), (3, "add", 3), (3, "remove", 3)]
    rows = Segment.objects.order_by("added_version", "change").values_list("added_version", "change", "removed_version")
    assert [row for row in rows if row[1]] == told
    sweep_files(at=now + timedelta(hours=7))
    assert Segment.objects.count() == 6, "The log names none of them yet."
    record_segments(listing=listing, at=now)
    sweep_files(at=now + timedelta(hours=5))
    assert Segment.objects.count() == 6
    sweep_files(at=now + timedelta(hours=7))
    assert list(Segment.objects.filter(change="").values_list("added_version", "removed_version")) == [(3, None)]
    table = DeliveryTable.objects.get()
    assert (table.oldest_version, table.changes_from, Segment.objects.count()) == (3, 0, 5)
    sweep_files(at=now + timedelta(days=9))
    assert Segment.objects.get().added_version == 3
    table = DeliveryTable.objects.get()
    assert (table.oldest_version, table.changes_from) == (3, 4)


def test_a_purchase_is_ready_once_a_refresh_followed_it(sara: User, ben: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    refresh_table(listing=listing, at=now)
    later = now + HOUR
    purchase = buy(listing, ben, later)
    assert not is_ready(purchase)
    assert tables_to_refresh(later) == [listing.pk]
    refresh_table(listing=listing, at=later)
    assert is_ready(purchase)


def test_finds_tables_with_new_readings(sara: User, now: datetime) -> None:
    sender, listing = make_stocked_listing(sara, now)
    assert tables_to_refresh(now) == [listing.pk]
    refresh_table(listing=listing, at=now)
    later = now + HOUR
    refresh_table(listing=listing, at=later)
    assert tables_to_refresh(later) == []
    from devices.services import resolve_batches

    sender.send(minutes(day_start(now), 5), later)
    resolve_batches(device=sender.device, at=later)
    assert tables_to_refresh(later) == [listing.pk]


def test_measures_what_is_there(sara: User, now: datetime) -> None:
    sent = minutes(day_start(now, 1), 60)
    gappy = sent[:20] + sent[30:]
    _, listing = make_stocked_listing(sara, now, readings=gappy)
    refresh_table(listing=listing, at=now)
    listing.refresh_from_db()
    quality = listing.quality
    assert (quality.row_count, quality.reading_count, quality.gap_count) == (50, 50, 1)
    assert quality.coverage == pytest.approx(50 / 60)
    assert quality.signed_share == 1.0
    assert (quality.first_reading_at, quality.last_reading_at) == (sent[0][0], sent[-1][0])
    # Fifty rows make six slices, and the one in the gap has no row.
    assert len(quality.sparkline) == 5
    assert quality.sparkline == sorted(quality.sparkline)


def test_the_share_of_signed_readings_is_counted(sara: User, now: datetime) -> None:
    from devices.models import Batch
    from devices.services import resolve_batches

    sender, listing = make_stocked_listing(sara, now, readings=minutes(day_start(now, 1), 30))
    sender.send(minutes(day_start(now), 10), now)
    resolve_batches(device=sender.device, at=now)
    Batch.objects.filter(sequence=2).update(sequence=99)
    refresh_table(listing=listing, at=now)
    listing.refresh_from_db()
    assert listing.quality.signed_share == 0.75


@pytest.mark.django_db(transaction=True)
def test_refreshes_at_once_write_each_day_once(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    tables = at_once([lambda: refresh_table(listing=listing, at=now) for _ in range(4)])
    assert [getattr(table, "version", table) for table in tables] == [1, 1, 1, 1]
    segment = Segment.objects.get()
    assert segment.row_count == 60


def test_another_table_of_the_listing_changes_nothing_of_its_readings(sara: User, ben: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now, readings=minutes(now - HOUR, 10))
    purchase = buy(listing, ben, now)
    other = DeliveryTable.objects.create(
        listing=listing, name="evidence", version=7, created_at=now, updated_at=now, refreshed_at=now + HOUR
    )
    assert tables_to_refresh(now) == [listing.pk]
    assert not is_ready(purchase)
    assert (current_version(listing), sample_rows(listing=listing, limit=5)) == (0, [])
    table = refresh_table(listing=listing, at=now)
    assert (table.name, table.version, current_version(listing)) == ("readings", 1, 1)
    assert is_ready(purchase)
    assert tables_to_refresh(now) == []
    sample = sample_rows(listing=listing, limit=5)
    segment = table.segments.get()
    segment.pk, segment.public_id, segment.table, segment.path = None, uuid4(), other, "tables/elsewhere.parquet"
    segment.added_version = 1
    segment.save()
    assert sample_rows(listing=listing, limit=5) == sample
    assert [one.table_id for one in Segment.objects.of_readings(listing).at_version(1)] == [table.pk]


def test_a_listing_has_one_table_of_a_name(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    refresh_table(listing=listing, at=now)
    with pytest.raises(IntegrityError, match="delivery_table_once_per_listing"):
        DeliveryTable.objects.create(listing=listing, created_at=now, updated_at=now)
