import re
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest

from marketplace.web import charts

START = datetime(2026, 3, 14, tzinfo=UTC)


def chart_of(values: list[float | None], **more: Any) -> charts.TimeChart:
    points = [(START + timedelta(minutes=10 * place), value) for place, value in enumerate(values)]
    return charts.TimeChart(title="Air <temperature>", unit="°C", points=points, gap_seconds=900, **more)


def draw(chart: charts.TimeChart) -> str:
    svg = charts.series_svg(chart, UTC)
    ElementTree.fromstring(svg)
    return svg


def test_a_missing_value_breaks_the_line_and_is_marked() -> None:
    chart = chart_of([1, 2, None, 4, 5])
    assert [len(run) for run in charts.split_runs(chart)] == [2, 2]
    assert charts.find_gaps(chart) == [(START + timedelta(minutes=10), START + timedelta(minutes=30))]
    assert draw(chart).count('class="series-gap"') == 1


def test_a_late_point_is_a_gap_and_a_regular_one_is_not() -> None:
    points = [(START, 1.0), (START + timedelta(seconds=900), 2.0), (START + timedelta(seconds=1801), 3.0)]
    chart = charts.TimeChart(title="a", unit="b", points=points, gap_seconds=900)
    assert [len(run) for run in charts.split_runs(chart)] == [2, 1]


def test_silence_at_both_ends_of_the_range_is_a_gap() -> None:
    chart = chart_of([1, 2], start=START - timedelta(hours=1), until=START + timedelta(hours=2))
    assert charts.find_gaps(chart) == [
        (START - timedelta(hours=1), START),
        (START + timedelta(minutes=10), START + timedelta(hours=2)),
    ]


def test_nothing_to_draw_gives_nothing() -> None:
    assert charts.series_svg(chart_of([None, None]), UTC) == ""
    assert charts.series_svg(chart_of([]), UTC) == ""
    assert charts.sparkline_svg([]) == ""
    assert charts.sparkline_svg([None, float("nan")]) == ""


@pytest.mark.parametrize(("top", "is_wide"), [(8_000.0, False), (1_000_000.0, True)])
def test_the_axis_has_its_numbers_in_a_margin_that_is_wide_enough(top: float, is_wide: bool) -> None:
    svg = draw(chart_of([0.0, top]))
    labels = re.findall(r'<text class="series-text" x="(-?\d+)" y="[\d.]+" text-anchor="end">([\d,]+)</text>', svg)
    assert labels[0] == ("-8", "0")
    assert ("series-wide-labels" in svg) is is_wide


@pytest.mark.parametrize("values", [[5.0], [5.0, 5.0], [0.0, 0.0], [-3.0, 3.0], [1e-9, 2e-9], [1e9, 1e9 + 1]])
def test_any_range_of_values_is_drawn_inside_the_plot(values: list[float | None]) -> None:
    svg = draw(chart_of(values))
    places = [float(text) for text in re.findall(r"[ML][\d.]+ (-?[\d.]+)", svg)]
    assert len(places) == len(values)
    assert all(0 <= place <= charts.PLOT_HEIGHT for place in places)


def test_the_text_is_escaped_and_no_style_is_written() -> None:
    svg = draw(chart_of([1, 2, 3]))
    assert "Air &lt;temperature&gt;" in svg
    assert "style=" not in svg
    assert "<script" not in svg


def test_the_description_names_extremes_and_gaps() -> None:
    assert "4 points, lowest 1, highest 5, last 5 °C; 1 gap." in draw(chart_of([1, 2, None, 4, 5]))


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0, 10, [0, 5, 10]), (5.5, 19, [5, 10, 15, 20]), (-1, 1, [-1, -0.5, 0, 0.5, 1])]
)
def test_value_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert charts.value_ticks(low, high) == ticks


@pytest.mark.parametrize("hours", [1, 6, 24, 24 * 7, 24 * 30, 24 * 365])
def test_time_ticks_are_few_and_inside(hours: int) -> None:
    until = START + timedelta(hours=hours)
    ticks = charts.time_ticks(START + timedelta(minutes=7), until, UTC)
    assert 1 <= len(ticks) <= 8
    assert all(START <= at <= until for at, _ in ticks)


def test_a_sparkline_breaks_where_values_are_missing() -> None:
    svg = charts.sparkline_svg([1, 2, None, 4], "a & b")
    ElementTree.fromstring(svg)
    assert re.findall("[ML]", svg.split(' d="')[1]) == ["M", "L", "M"]
    assert 'aria-label="a &amp; b"' in svg
