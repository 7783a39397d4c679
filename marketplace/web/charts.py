"""Charts as SVG text, drawn on the server. Pure: points in, markup out.

The plot is stretched to the page's width, so positions across are percentages and the text keeps its size.
No style attribute is written: the content security policy refuses them.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from html import escape
from itertools import pairwise

from marketplace.web.formats import exact_text, number_text

Point = tuple[datetime, float | None]

PLOT_WIDTH = 1000
PLOT_HEIGHT = 190
PLOT_TOP = 22
# The most characters that the usual margin for the axis's numbers takes.
NARROW_LABEL = 5
CHART_HEIGHT = PLOT_TOP + PLOT_HEIGHT + 26
HOUR = 3600
DAY = 86_400
TIME_STEPS = (
    60, 300, 900, 1800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 91 * DAY, 365 * DAY,
)  # fmt: skip


@dataclass(frozen=True)
class TimeChart:
    """One measure over time. None as a value, or more than gap_seconds without a point, is drawn as a gap."""

    title: str
    unit: str
    points: Sequence[Point]
    gap_seconds: float = 3600
    start: datetime | None = None
    until: datetime | None = None
    known: list[tuple[datetime, float]] = field(init=False)

    def __post_init__(self) -> None:
        known = [(at, float(value)) for at, value in self.points if value is not None and math.isfinite(value)]
        object.__setattr__(self, "known", known)

    @property
    def span(self) -> tuple[datetime, datetime]:
        first = self.start or self.points[0][0]
        last = self.until or self.points[-1][0]
        return (first, last) if last > first else (first - timedelta(minutes=1), last + timedelta(minutes=1))


def nice_step(width: float, count: int) -> float:
    """Return the 1, 2 or 5 times a power of ten that cuts width into about count parts."""
    raw = width / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)


def value_ticks(low: float, high: float) -> list[float]:
    """Round numbers that cover low to high, at least two."""
    if low == high:
        pad = abs(low) * 0.05 or 1.0
        low, high = low - pad, high + pad
    step = nice_step(high - low, 4)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(index * step, 10) for index in range(first, last + 1)]


def time_ticks(start: datetime, until: datetime, zone: tzinfo) -> list[tuple[datetime, str]]:
    """Up to five instants that are round in the reader's time zone, each with its label."""
    span = (until - start).total_seconds()
    step = next((step for step in TIME_STEPS if span / step <= 5), TIME_STEPS[-1])
    local = start.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    ticks: list[tuple[datetime, str]] = []
    at = midnight
    while at <= until and len(ticks) < 8:
        if at >= start:
            ticks.append((at, tick_label(at, step)))
        at = at + timedelta(seconds=step)
    return ticks


def tick_label(at: datetime, step: float) -> str:
    if step >= 91 * DAY:
        return f"{at:%b %Y}"
    if step >= DAY or (at.hour == 0 and at.minute == 0):
        return f"{at.day} {at:%b}"
    return f"{at:%H:%M}"


def split_runs(chart: TimeChart) -> list[list[tuple[datetime, float]]]:
    """Cut the points into unbroken runs."""
    runs: list[list[tuple[datetime, float]]] = []
    previous: datetime | None = None
    for at, value in chart.points:
        if value is None or not math.isfinite(value):
            previous = None
            continue
        if previous is None or (at - previous).total_seconds() > chart.gap_seconds:
            runs.append([])
        runs[-1].append((at, float(value)))
        previous = at
    return runs


class Scale:
    """From instants and values to places in the plot."""

    def __init__(self, chart: TimeChart) -> None:
        values = [value for _, value in chart.known]
        self.ticks = value_ticks(min(values), max(values))
        self.low, self.high = self.ticks[0], self.ticks[-1]
        self.start, self.until = chart.span
        self.seconds = (self.until - self.start).total_seconds()

    def across(self, at: datetime) -> float:
        """0 at the left edge, 1 at the right."""
        return min(1.0, max(0.0, (at - self.start).total_seconds() / self.seconds))

    def down(self, value: float) -> float:
        """Pixels from the top of the plot."""
        return PLOT_HEIGHT * (1 - (value - self.low) / (self.high - self.low))


def line_path(runs: Sequence[Sequence[tuple[datetime, float]]], scale: Scale) -> str:
    parts = []
    for run in runs:
        places = [f"{scale.across(at) * PLOT_WIDTH:.1f} {scale.down(value):.1f}" for at, value in run]
        parts.append("M" + "L".join(places) + ("h.01" if len(places) == 1 else ""))
    return "".join(parts)


def find_gaps(chart: TimeChart) -> list[tuple[datetime, datetime]]:
    """The stretches without values, those before the first and after the last point included."""
    runs = split_runs(chart)
    start, until = chart.span
    ends = [(start, start), *((run[0][0], run[-1][0]) for run in runs), (until, until)]
    gaps = []
    for position, (before, after) in enumerate(pairwise(ends)):
        is_edge = position in (0, len(ends) - 2)
        if not is_edge or (after[0] - before[1]).total_seconds() > chart.gap_seconds:
            gaps.append((before[1], after[0]))
    return gaps


def gap_marks(gaps: Sequence[tuple[datetime, datetime]], scale: Scale) -> str:
    marks = []
    for start, until in gaps:
        left, right = scale.across(start), scale.across(until)
        place = f'x="{left:.2%}" y="{PLOT_TOP}" width="{right - left:.2%}" height="{PLOT_HEIGHT}"'
        marks.append(f'<rect class="series-gap" {place}/>')
    return "".join(marks)


def grid_marks(scale: Scale, zone: tzinfo) -> str:
    marks = []
    for tick in scale.ticks:
        place = PLOT_TOP + scale.down(tick)
        kind = "series-axis" if tick == scale.ticks[0] else "series-grid"
        marks.append(f'<line class="{kind}" x1="0" x2="100%" y1="{place:.1f}" y2="{place:.1f}"/>')
    for at, _ in time_ticks(scale.start, scale.until, zone):
        share = scale.across(at)
        marks.append(
            f'<line class="series-axis" x1="{share:.2%}" x2="{share:.2%}" '
            f'y1="{PLOT_TOP + PLOT_HEIGHT}" y2="{PLOT_TOP + PLOT_HEIGHT + 5}"/>'
        )
    return "".join(marks)


def grid_texts(scale: Scale, zone: tzinfo) -> str:
    """The axes' numbers, in the margin to the left of the plot, and times below it."""
    texts = [
        f'<text class="series-text" x="-8" y="{PLOT_TOP + scale.down(tick) + 4:.1f}" text-anchor="end">'
        f"{number_text(tick)}</text>"
        for tick in scale.ticks
    ]
    for at, label in time_ticks(scale.start, scale.until, zone):
        share = scale.across(at)
        texts.append(
            f'<text class="series-text" x="{share:.2%}" y="{CHART_HEIGHT - 4}" '
            f'text-anchor="{anchor(share)}">{label}</text>'
        )
    return "".join(texts)


def anchor(share: float) -> str:
    return "start" if share < 0.08 else "end" if share > 0.92 else "middle"


def extreme_marks(chart: TimeChart, scale: Scale) -> str:
    """Name the lowest and the highest value where they are."""
    lowest = min(chart.known, key=lambda point: point[1])
    highest = max(chart.known, key=lambda point: point[1])
    if lowest[1] == highest[1]:
        return ""
    marks = []
    for (at, value), shift in ((highest, -7), (lowest, 15)):
        share, place = scale.across(at), PLOT_TOP + scale.down(value)
        text_place = min(place + shift, PLOT_TOP + PLOT_HEIGHT - 4)
        marks.append(
            f'<circle class="series-dot" cx="{share:.2%}" cy="{place:.1f}" r="3"/>'
            f'<text class="series-text series-extreme" x="{share:.2%}" y="{text_place:.1f}" '
            f'text-anchor="{anchor(share)}">{number_text(value)}</text>'
        )
    return "".join(marks)


def describe(chart: TimeChart, zone: tzinfo, gap_count: int) -> str:
    values = [value for _, value in chart.known]
    start, until = chart.span
    gaps = "no gaps" if not gap_count else "1 gap" if gap_count == 1 else f"{gap_count} gaps"
    return (
        f"From {exact_text(start, zone)} to {exact_text(until, zone)}: {len(values):,} points, "
        f"lowest {number_text(min(values))}, highest {number_text(max(values))}, "
        f"last {number_text(values[-1])} {chart.unit}; {gaps}."
    )


def series_svg(chart: TimeChart, zone: tzinfo) -> str:
    """Return the chart; an empty text when there is no value to draw."""
    if not chart.known:
        return ""
    scale = Scale(chart)
    gaps = find_gaps(chart)
    places = [[round(scale.across(at) * 100, 2), round(PLOT_TOP + scale.down(value), 1)] for at, value in chart.known]
    hover = {
        "times": [int(at.timestamp()) for at, _ in chart.known],
        "values": [value for _, value in chart.known],
        "places": places,
    }
    is_wide = max(len(number_text(tick)) for tick in scale.ticks) > NARROW_LABEL
    kind = "series-chart series-wide-labels" if is_wide else "series-chart"
    return (
        f'<svg class="{kind}" width="100%" height="{CHART_HEIGHT}" role="img" tabindex="0" '
        f'aria-label="{escape(chart.title)}, {escape(chart.unit)}. {escape(describe(chart, zone, len(gaps)))}" '
        f'data-series="{escape(json.dumps(hover, separators=(",", ":")))}" data-unit="{escape(chart.unit)}" '
        f'data-zone="{escape(str(zone))}" data-top="{PLOT_TOP}" data-bottom="{PLOT_TOP + PLOT_HEIGHT}">'
        f"{gap_marks(gaps, scale)}{grid_marks(scale, zone)}"
        f'<svg x="0" y="{PLOT_TOP}" width="100%" height="{PLOT_HEIGHT}" viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" '
        f'preserveAspectRatio="none" overflow="visible" aria-hidden="true">'
        f'<path class="series-line" stroke-linecap="round" d="{line_path(split_runs(chart), scale)}"/></svg>'
        f"{grid_texts(scale, zone)}{extreme_marks(chart, scale)}</svg>"
    )


def sparkline_svg(values: Sequence[float | None], title: str = "") -> str:
    """A line without axes; None breaks it."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    height = (high - low) or 1.0
    step = 100 / max(len(values) - 1, 1)
    path, pen_down, last = "", False, (0.0, 0.0)
    for position, value in enumerate(values):
        if value is None or not math.isfinite(value):
            pen_down = False
            continue
        last = (position * step, 28 - 26 * (value - low) / height if high > low else 15)
        path += f"{'L' if pen_down else 'M'}{last[0]:.1f} {last[1]:.1f}"
        pen_down = True
    label = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    return (
        f'<svg class="sparkline" viewBox="0 0 100 30" preserveAspectRatio="none" {label}>'
        f'<path class="sparkline-line" d="{path}"/></svg>'
    )
