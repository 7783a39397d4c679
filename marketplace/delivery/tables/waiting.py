"""Which tables have fallen behind."""

from datetime import datetime, timedelta

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from devices.models import Batch, ReadingFile
from marketplace.consents.models import ConsentDevice, Resolution
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.tables.quality import QUALITY_REST
from marketplace.delivery.tables.refresh import PARTS_REST
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase

# A reading file's time is taken before its transaction commits; looking back a little finds those that committed late.
_LOOK_BACK = timedelta(minutes=1)
# A device that sends all the time makes a new version at most this often; a purchase does not wait for it.
_REST = timedelta(seconds=30)
# Whoever subscribes to readings as they are sees them sooner, on days that are not too large to be read that often.
_SHORT_REST = timedelta(seconds=2)
_MOST_FRESH_READINGS = 300_000
_JUST_NOW = timedelta(seconds=15)


def needs_quality(at: datetime) -> Q:
    """Listings whose figures are older than their table, measured again at most once a minute."""
    is_older = Q(quality__measured_at__lt=F("readings_table__updated_at"))
    return Q(quality=None) | (is_older & Q(quality__measured_at__lte=at - QUALITY_REST))


def tables_to_refresh(at: datetime) -> list[int]:
    """Return the pks of listings, published and still held by their consents, whose table may lack something.

    New reading files, a narrower consent, a purchase made after the last refresh, held-back readings that have become
    due, old figures, parts of a day that have come to rest.
    """
    members = ConsentDevice.objects.filter(consent=OuterRef(OuterRef("consent")))
    new_files = ReadingFile.objects.filter(
        device__in=members.values("device"),
        updated_at__gte=OuterRef("readings_table__refreshed_at") - _LOOK_BACK,
    )
    new_purchases = Purchase.objects.filter(
        listing=OuterRef("pk"), purchased_at__gt=OuterRef("readings_table__refreshed_at")
    )
    later_part = Segment.objects.current().filter(table=OuterRef("table"), day=OuterRef("day"), pk__gt=OuterRef("pk"))
    parts = Segment.objects.current().filter(Exists(later_part), table=OuterRef("readings_table"))
    is_behind = (
        Q(readings_table__refreshed_at=None)
        | ~Q(readings_table__terms_number=F("consent__terms_number"))
        | Q(readings_table__next_due_at__lte=at)
        | Q(Exists(new_files), readings_table__updated_at__lte=at - _REST)
        | Q(Exists(parts), readings_table__updated_at__lte=at - PARTS_REST)
        | needs_quality(at)
        | Exists(new_purchases)
    )
    readings_table = FilteredRelation("delivery_tables", condition=Q(delivery_tables__name=DeliveryTable.Name.READINGS))
    return list(
        Listing.objects.held_at(at)
        .annotate(readings_table=readings_table)
        .filter(is_behind)
        .order_by(F("readings_table__refreshed_at").asc(nulls_first=True))
        .values_list("pk", flat=True)
    )


def fresh_tables(at: datetime) -> list[int]:
    """Return the pks of listings that somebody subscribes to, raw and without delay, with readings of just now.

    What this misses, tables_to_refresh finds.
    """
    recent = ReadingFile.objects.filter(updated_at__gt=at - _JUST_NOW)
    waiting = Batch.objects.waiting().values_list("device", flat=True).order_by().distinct()
    device_ids = set(recent.values_list("device", flat=True).order_by()).union(waiting)
    if not device_ids:
        return []
    members = ConsentDevice.objects.filter(consent=OuterRef("consent"), device__in=device_ids)
    newer = recent.filter(
        device__consents=OuterRef("consent"), updated_at__gt=OuterRef("delivery_tables__refreshed_at")
    )
    unresolved = Batch.objects.waiting().filter(device__consents=OuterRef("consent"))
    subscribed = Purchase.objects.filter(listing=OuterRef("pk"), window_until__gt=at, ended_at=None)
    large = Segment.objects.current().filter(
        table=OuterRef("delivery_tables"), end_day__gt=at.date(), reading_count__gt=_MOST_FRESH_READINGS
    )
    return list(
        Listing.objects.held_at(at)
        .filter(
            consent__resolution=Resolution.RAW,
            consent__delay_seconds=0,
            delivery_tables__name=DeliveryTable.Name.READINGS,
            delivery_tables__updated_at__lte=at - _SHORT_REST,
        )
        .filter(Exists(members), Exists(newer) | Exists(unresolved), Exists(subscribed), ~Exists(large))
        .values_list("pk", flat=True)
    )
