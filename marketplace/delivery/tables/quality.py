"""What a listing's data are really like, measured on the files that buyers get."""

import math
from datetime import datetime, timedelta
from typing import cast

import polars
from django.db.models import Sum

from marketplace.consents.models import Consent, Resolution
from marketplace.delivery.models import DeliveryTable
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.projection import DEVICE, TIME, WIDTH_SECONDS, column_names
from marketplace.listings.services import QualityFigures

SPARKLINE_POINTS = 24
# What everybody may see of the table: one value for so many rows, and no chart of fewer points.
ROWS_PER_POINT = 8
LEAST_POINTS = 3
_DIGITS = 3
# Measuring reads the whole table, so a table that changes all the time is not measured at every change.
QUALITY_REST = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)


def measure_quality(table: DeliveryTable, consent: Consent) -> QualityFigures:
    """Coverage and gaps are per device, from its first to its last row, at the table's resolution."""
    first_column = next(iter(column_names(consent.fields).values()))
    segments = list(table.segments.current().in_order())
    totals = table.segments.current().aggregate(
        rows=Sum("row_count"), readings=Sum("reading_count"), signed=Sum("signed_count")
    )
    if not segments:
        return QualityFigures(0, 0, None, None, coverage=0.0, gap_count=0, signed_share=0.0)
    rows = polars.concat([read_rows(segment.path, [TIME, DEVICE, first_column]) for segment in segments])
    present = expected = gap_count = 0
    for (_,), times in rows.group_by([DEVICE]):
        found = _count_buckets(times[TIME].sort(), consent)
        present, expected, gap_count = present + found[0], expected + found[1], gap_count + found[2]
    return QualityFigures(
        row_count=totals["rows"],
        reading_count=totals["readings"],
        first_reading_at=min(segment.first_at for segment in segments),
        last_reading_at=max(segment.last_at for segment in segments),
        coverage=min(1.0, present / expected),
        gap_count=gap_count,
        signed_share=totals["signed"] / totals["readings"],
        sparkline=[mean for _, mean in series_points(rows, first_column, SPARKLINE_POINTS)],
    )


def series_points(rows: polars.DataFrame, column: str, points: int) -> list[tuple[datetime, float]]:
    """Return (start, mean) of at most `points` equal slices of the time from the first to the last row.

    Everybody may see these means, and they must not be what is sold: one stands for about ROWS_PER_POINT values, a
    slice with less than half of that is left out, and too few slices are none at all.
    """
    valued = rows.select(TIME, column).drop_nulls(column)
    points = min(points, valued.height // ROWS_PER_POINT)
    if points < LEAST_POINTS:
        return []
    first, last = cast("datetime", valued[TIME].min()), cast("datetime", valued[TIME].max())
    width = max((last - first) / points, timedelta(microseconds=1))
    place = (_passed(first) / (width / _MICROSECOND)).floor().clip(0, points - 1).cast(polars.Int64)
    slices = valued.group_by(place.alias("place")).agg(polars.col(column).mean().alias("mean"), polars.len())
    means = slices.filter(polars.col("len") >= ROWS_PER_POINT // 2).sort("place")
    if means.height < LEAST_POINTS:
        return []
    return [
        (first + width * int(place), mean) for place, mean in zip(means["place"], _coarse(means["mean"]), strict=True)
    ]


def _coarse(means: polars.Series) -> list[float]:
    """Round to three digits of what tells the values apart: air pressure, which barely moves, would else be stairs."""
    spread = cast("float", means.max()) - cast("float", means.min())
    if not spread:
        return means.round_sig_figs(_DIGITS).to_list()
    places = _DIGITS - 1 - math.floor(math.log10(spread))
    return [round(mean, places) for mean in means]


def _passed(first: datetime) -> polars.Expr:
    """Microseconds since `first`."""
    return (polars.col(TIME) - first).dt.total_microseconds()


def _count_buckets(times: polars.Series, consent: Consent) -> tuple[int, int, int]:
    """Return how many intervals hold a row, how many should, and how many times rows are missing in between."""
    if consent.resolution == Resolution.RAW:
        median = times.diff().dt.total_microseconds().median()
        interval = float(cast("float", median or 0))
    else:
        interval = WIDTH_SECONDS[Resolution(consent.resolution)] * 1e6
    if not interval:
        return 1, 1, 0
    rows = polars.DataFrame({TIME: times})
    place = (_passed(times[0]) / interval).round().cast(polars.Int64)
    places = rows.select(place.alias("place"), gap=_passed(times[0]).diff() > 1.5 * interval)
    present, expected = places["place"].n_unique(), int(places["place"][-1]) + 1
    return present, expected, int(places["gap"].sum())
