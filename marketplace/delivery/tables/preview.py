"""What people see of a table before they buy it."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import polars

from devices.models import Batch
from marketplace.consents.models import Consent, ConsentDevice
from marketplace.delivery.models import Segment
from marketplace.delivery.tables import projection
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.quality import ROWS_PER_POINT, series_points
from marketplace.listings.models import Listing

_PREVIEW_DAYS = timedelta(days=2)


def preview_rows(*, consent: Consent, limit: int, at: datetime) -> list[dict[str, Any]]:
    """Return the newest rows that the consent would deliver at `at`, for the owner before anything is published."""
    due = projection.due_until(consent, at) or at
    members = list(consent.consent_devices.select_related("device", "consent").order_by("position"))
    newest = _newest_reading_at(members)
    if newest is None:
        return []
    # Devices may have been silent for long: look back from their newest reading, from a bucket border.
    until = min(due, newest + timedelta(microseconds=1))
    start = (until - _PREVIEW_DAYS).replace(hour=0, minute=0, second=0, microsecond=0)
    frames = [projection.project_device(member, start=start, until=until)[0] for member in members]
    rows = polars.concat(frames).sort(projection.TIME, projection.DEVICE)
    return rows.tail(limit).to_dicts()


def sample_rows(*, listing: Listing, limit: int) -> list[dict[str, Any]]:
    """Return rows spread over the first day of the table, at most one for every eight that are sold.

    Anybody may see them, so they are always the same ones: a sample that moved on would be the product for free.
    """
    segments = list(_segments(listing))
    if not segments:
        return []
    rows = _spread(segments[0].path, segments[0].first_at + timedelta(days=1), limit)
    # A growing table shows more of the same rows, never others.
    return [dict(row) for row in rows[: sum(segment.row_count for segment in segments) // ROWS_PER_POINT]]


def listing_series(*, listing: Listing, field: str, points: int) -> list[tuple[datetime, float]]:
    """Return (time, mean over all devices) of at most `points` equal slices of the table's time, for a chart.

    Anybody may see it: see series_points for how little it gives away.
    """
    column = projection.column_names(listing.consent.fields).get(field)
    segments = list(_segments(listing))
    if column is None or not segments:
        return []
    return list(_series(tuple(segment.path for segment in segments), column, points))


# A file never changes, so neither does what was made of it.
@lru_cache(maxsize=256)
def _spread(path: str, until: datetime, limit: int) -> tuple[dict[str, Any], ...]:
    rows = read_rows(path).filter(polars.col(projection.TIME) < until)
    return tuple(rows.gather_every(max(1, rows.height // limit)).head(limit).to_dicts())


@lru_cache(maxsize=256)
def _series(paths: tuple[str, ...], column: str, points: int) -> tuple[tuple[datetime, float], ...]:
    rows = polars.concat([read_rows(path, [projection.TIME, column]) for path in paths])
    return tuple(series_points(rows, column, points))


def _newest_reading_at(members: list[ConsentDevice]) -> datetime | None:
    """Of resolved batches the device's row knows it; the few waiting ones are asked."""
    devices = [member.device for member in members]
    times = [device.last_reading_at for device in devices]
    times += Batch.objects.filter(device__in=devices).waiting().values_list("last_reading_at", flat=True)
    return max((time for time in times if time is not None), default=None)


def _segments(listing: Listing) -> Any:
    return Segment.objects.of_readings(listing).current().in_order()
