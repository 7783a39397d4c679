from datetime import date, timedelta

from marketplace.delivery.tables.spans import Span, choose_spans

FEBRUARY = Span(date(2026, 2, 1), date(2026, 3, 1))
DAY = timedelta(days=1)


def days(first: date, count: int) -> dict[date, int]:
    return {first + number * DAY: 10 for number in range(count)}


def single(first: date, count: int) -> list[Span]:
    return [Span(first + number * DAY, first + (number + 1) * DAY) for number in range(count)]


def test_a_year_that_is_over_is_one_file() -> None:
    assert choose_spans(days(date(2025, 3, 1), 300), closed_until=date(2026, 1, 1)) == [
        Span(date(2025, 1, 1), date(2026, 1, 1))
    ]


def test_months_that_are_over_are_one_file_each_and_the_rest_single_days() -> None:
    counts = days(date(2026, 2, 10), 25)
    spans = choose_spans(counts, closed_until=date(2026, 3, 6))
    assert spans == [FEBRUARY, *single(date(2026, 3, 1), 6)]


def test_a_month_stays_in_days_until_its_last_day_is_over() -> None:
    counts = days(date(2026, 2, 1), 2)
    assert choose_spans(counts, closed_until=date(2026, 2, 28)) == single(date(2026, 2, 1), 2)
    assert choose_spans(counts, closed_until=date(2026, 3, 1)) == [FEBRUARY]


def test_too_many_readings_are_kept_apart() -> None:
    counts = days(date(2025, 2, 1), 40)
    closed = date(2026, 1, 1)
    assert choose_spans(counts, closed_until=closed, most=280) == [
        Span(date(2025, 2, 1), date(2025, 3, 1)),
        Span(date(2025, 3, 1), date(2025, 4, 1)),
    ]
    assert choose_spans(counts, closed_until=closed, most=279) == [
        *single(date(2025, 2, 1), 28),
        Span(date(2025, 3, 1), date(2025, 4, 1)),
    ]
    assert choose_spans(counts, closed_until=closed, most=9) == single(date(2025, 2, 1), 40)


def test_december_ends_with_the_year() -> None:
    assert choose_spans(days(date(2025, 12, 1), 2), closed_until=date(2026, 1, 1), most=20) == [
        Span(date(2025, 1, 1), date(2026, 1, 1))
    ]


def test_no_days_make_no_files() -> None:
    assert choose_spans({}, closed_until=date(2026, 1, 1)) == []
