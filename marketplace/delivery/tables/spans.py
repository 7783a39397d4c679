"""Which days share a file. Pure.

A reader pays for every file with requests, so days that are over are put together: a whole year when it has few
readings, else a month, else each day by itself. The choice depends on nothing but the days and their readings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

MOST_READINGS = 500_000


@dataclass(frozen=True, order=True)
class Span:
    """Days from `first` until before `end`."""

    first: date
    end: date

    def overlaps(self, other: "Span") -> bool:
        return self.first < other.end and other.first < self.end

    @property
    def start_at(self) -> datetime:
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end_at(self) -> datetime:
        return datetime.combine(self.end, time.min, UTC)


def choose_spans(reading_counts: Mapping[date, int], *, closed_until: date, most: int = MOST_READINGS) -> list[Span]:
    """Return the spans, in order, that hold the given days. Days from closed_until on stay by themselves."""
    spans = []
    for year, days_of_year in groupby(sorted(reading_counts), lambda day: day.year):
        days = list(days_of_year)
        whole_year = Span(date(year, 1, 1), date(year + 1, 1, 1))
        if _may_be_one(whole_year, days, reading_counts, closed_until, most):
            spans.append(whole_year)
            continue
        for _, days_of_month in groupby(days, lambda day: day.month):
            spans += _month_spans(list(days_of_month), reading_counts, closed_until, most)
    return spans


def _month_spans(days: list[date], reading_counts: Mapping[date, int], closed_until: date, most: int) -> list[Span]:
    first = days[0].replace(day=1)
    month = Span(first, (first + timedelta(days=31)).replace(day=1))
    if _may_be_one(month, days, reading_counts, closed_until, most):
        return [month]
    return [Span(day, day + timedelta(days=1)) for day in days]


def _may_be_one(
    span: Span, days: list[date], reading_counts: Mapping[date, int], closed_until: date, most: int
) -> bool:
    return span.end <= closed_until and sum(reading_counts[day] for day in days) <= most
