"""Which version a table had at which moment. Every version added or removed at least one file, and so left its time."""

from datetime import datetime

from django.db.models import Max, Min

from marketplace.delivery.errors import TimestampUnknown, VersionGone, VersionUnknown
from marketplace.delivery.models import DeliveryTable
from marketplace.listings.models import Listing


def current_version(listing: Listing) -> int:
    """Version 0 is the empty table that a listing has before the first refresh."""
    return DeliveryTable.objects.readings_of(listing).values_list("version", flat=True).first() or 0


def check_version(listing: Listing, version: int) -> int:
    """Return the version when it can be read. Raises: VersionUnknown, VersionGone."""
    table = DeliveryTable.objects.readings_of(listing).first()
    if version < 0 or version > (table.version if table else 0):
        raise VersionUnknown
    if table and version < table.oldest_version:
        raise VersionGone
    return version


def version_at(listing: Listing, moment: datetime) -> int:
    """Return the version that a reader at that moment was given. Raises: TimestampUnknown, VersionGone."""
    table = DeliveryTable.objects.readings_of(listing).first()
    if table is None or moment < table.created_at:
        raise TimestampUnknown
    if moment >= table.updated_at:
        return table.version
    added = table.segments.filter(added_at__lte=moment).aggregate(last=Max("added_version"))["last"]
    removed = table.segments.filter(removed_at__lte=moment).aggregate(last=Max("removed_version"))["last"]
    return check_version(listing, max(added or 0, removed or 0))


def version_since(listing: Listing, moment: datetime) -> int:
    """Return the earliest version made at that moment or later. Raises: TimestampUnknown."""
    table = DeliveryTable.objects.readings_of(listing).first()
    if table is None or moment > table.updated_at:
        raise TimestampUnknown
    if moment <= table.created_at:
        return table.oldest_version
    added = table.segments.filter(added_at__gte=moment).aggregate(first=Min("added_version"))["first"]
    removed = table.segments.filter(removed_at__gte=moment).aggregate(first=Min("removed_version"))["first"]
    return min(version for version in (added, removed, table.version) if version is not None)
