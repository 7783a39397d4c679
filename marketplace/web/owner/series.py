"""The charts of a device's page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median

from devices.models import Device, Measure
from devices.readings import read_series
from marketplace.web.charts import TimeChart
from marketplace.web.owner.totals import DeviceTotals
from marketplace.web.wording import measure_label, unit_label

RANGES = {
    "day": ("Day", timedelta(days=1)),
    "week": ("Week", timedelta(days=7)),
    "month": ("Month", timedelta(days=30)),
    "all": ("All", None),
}
FIRST_RANGE = "day"
POINTS = 400
CHARTS_AT_FIRST = 4
# Two missing points in a row are a gap; one late point is not.
GAP_STEPS = 2.5


@dataclass(frozen=True)
class Span:
    """The stretch of time that the charts show. It ends at the last reading, so that old recordings show as well."""

    name: str
    start: datetime
    until: datetime


def chosen_range(query: Mapping[str, str]) -> str:
    name = query.get("range", FIRST_RANGE)
    return name if name in RANGES else FIRST_RANGE


def chart_span(totals: DeviceTotals, name: str, at: datetime) -> Span:
    until = min(totals.last_at or at, at) + timedelta(seconds=1)
    length = RANGES[name][1]
    start = (totals.first_at or until - timedelta(days=1)) if length is None else until - length
    return Span(name, start, until)


def range_links(chosen: str, *, measures: str = "") -> list[dict[str, object]]:
    """The range buttons. measures: kept in the address when all charts are shown."""
    kept = "&measures=all" if measures else ""
    return [
        {"label": label, "url": f"?range={name}{kept}#charts", "is_current": name == chosen}
        for name, (label, _) in RANGES.items()
    ]


def measure_chart(device: Device, measure: Measure, span: Span) -> TimeChart:
    found = read_series(device, measure.name, span.start, span.until, POINTS)
    points = list(zip(found["time"].to_list(), found["mean"].to_list(), strict=True))
    return TimeChart(
        title=measure_label(measure.name),
        unit=unit_label(measure.unit),
        points=points,
        gap_seconds=gap_seconds([at for at, _ in points], span),
        start=span.start,
        until=span.until,
    )


def gap_seconds(times: list[datetime], span: Span) -> float:
    """From which distance on two neighbours have a gap between them: by what is usual among them."""
    bucket = (span.until - span.start).total_seconds() / POINTS
    steps = [(after - before).total_seconds() for before, after in pairwise(times)]
    return GAP_STEPS * max(median(steps) if steps else 0.0, bucket)
