"""Which tables have fallen behind."""

from datetime import datetime, timedelta

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from devices.models import ReadingFile
from marketplace.consents.models import ConsentDevice
from marketplace.delivery.models import DeliveryTable
from marketplace.delivery.quality import QUALITY_REST
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase

# A reading file's time is taken before its transaction commits; looking back a little finds those that committed late.
_LOOK_BACK = timedelta(minutes=1)
# A device that sends all the time makes a new version at most this often; a purchase does not wait for it.
_REST = timedelta(seconds=30)


def needs_quality(at: datetime) -> Q:
    """Listings whose figures are older than their table, measured again at most once a minute."""
    is_older = Q(quality__measured_at__lt=F("readings_table__updated_at"))
    return Q(quality=None) | (is_older & Q(quality__measured_at__lte=at - QUALITY_REST))


def tables_to_refresh(at: datetime) -> list[int]:
    """Return the pks of listings, published and still held by their consents, whose table may lack something.

    New reading files, a narrower consent, a purchase made after the last refresh, held-back readings that have become
    due, old figures.
    """
    members = ConsentDevice.objects.filter(consent=OuterRef(OuterRef("consent")))
    new_files = ReadingFile.objects.filter(
        device__in=members.values("device"),
        updated_at__gte=OuterRef("readings_table__refreshed_at") - _LOOK_BACK,
    )
    new_purchases = Purchase.objects.filter(
        listing=OuterRef("pk"), purchased_at__gt=OuterRef("readings_table__refreshed_at")
    )
    is_behind = (
        Q(readings_table__refreshed_at=None)
        | ~Q(readings_table__terms_number=F("consent__terms_number"))
        | Q(readings_table__next_due_at__lte=at)
        | Q(Exists(new_files), readings_table__updated_at__lte=at - _REST)
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
