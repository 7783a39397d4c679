"""Which versions of a table a purchase opens: from the one that was bought on. What was removed before stays unseen.

Every version added or removed at least one file, and so left its time.
"""

from datetime import datetime

from django.db.models import Max, Min

from marketplace.access.services import Grant
from marketplace.delivery.errors import RequestRefused, TimestampUnknown, VersionGone, VersionUnknown
from marketplace.delivery.models import DeliveryTable
from marketplace.listings.models import Listing


def current_version(listing: Listing) -> int:
    """Version 0 is the empty table that a listing has before the first refresh."""
    return DeliveryTable.objects.readings_of(listing).values_list("version", flat=True).first() or 0


def check_version(grant: Grant, version: int) -> int:
    """Return the version when it can be read. Raises: VersionUnknown, VersionGone."""
    return _check_version(_table_of(grant), grant, version)


def version_at(grant: Grant, moment: datetime) -> int:
    """Return the version that a reader at that moment was given. Raises: TimestampUnknown, VersionGone."""
    table = _table_of(grant)
    if table is None or moment < table.created_at:
        raise TimestampUnknown
    try:
        return _check_version(table, grant, _version_then(table, moment))
    except VersionUnknown as error:
        raise TimestampUnknown from error


def version_since(grant: Grant, moment: datetime) -> int:
    """Return the earliest version made at that moment or later, of those opened. Raises: TimestampUnknown."""
    table = _table_of(grant)
    if table is None or moment > table.updated_at:
        raise TimestampUnknown
    added = table.segments.filter(added_at__gte=moment).aggregate(first=Min("added_version"))["first"]
    removed = table.segments.filter(removed_at__gte=moment).aggregate(first=Min("removed_version"))["first"]
    made = min(version for version in (added, removed, table.version) if version is not None)
    return max(made, table.oldest_version, _first_version(table, grant))


def check_changes(grant: Grant, first: int, last: int | None) -> tuple[int, int]:
    """Return the versions, both included, whose changes are told; no last one means up to now.

    Raises: VersionUnknown, VersionGone.
    """
    table = _table_of(grant)
    current = table.version if table else 0
    if last is not None and last < first:
        raise RequestRefused("The changes must end at their start or after it.")
    if table is None or not _first_version(table, grant) <= first <= current:
        raise _unknown(table, grant)
    if first < table.changes_from:
        raise VersionGone
    return first, current if last is None else min(last, current)


def _table_of(grant: Grant) -> DeliveryTable | None:
    return DeliveryTable.objects.readings_of(grant.listing).first()


def _check_version(table: DeliveryTable | None, grant: Grant, version: int) -> int:
    if table is None:
        if version:
            raise _unknown(table, grant)
        return version
    if not _first_version(table, grant) <= version <= table.version:
        raise _unknown(table, grant)
    if version < table.oldest_version:
        raise VersionGone
    return version


def _unknown(table: DeliveryTable | None, grant: Grant) -> VersionUnknown:
    """Say the same of versions from before the purchase as of those that never were."""
    first, last = (_first_version(table, grant), table.version) if table else (0, 0)
    return VersionUnknown(f"This purchase opens the table's versions {first} to {last}.")


def _first_version(table: DeliveryTable, grant: Grant) -> int:
    return _version_then(table, grant.purchase.purchased_at)


def _version_then(table: DeliveryTable, moment: datetime) -> int:
    if moment >= table.updated_at:
        return table.version
    added = table.segments.filter(added_at__lte=moment).aggregate(last=Max("added_version"))["last"]
    removed = table.segments.filter(removed_at__lte=moment).aggregate(last=Max("removed_version"))["last"]
    return max(added or 0, removed or 0)
