from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from marketplace.web import formats
from marketplace.web.plan_words import rate_text

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micros", "text"),
    [
        (0, "EUR\u00a00.00"),
        (12_400_000, "EUR\u00a012.40"),
        (1_234_500_000, "EUR\u00a01,234.50"),
        (1, "EUR\u00a00.000001"),
        (1_250_100, "EUR\u00a01.2501"),
        (-12_400_000, "\u2212EUR\u00a012.40"),
    ],
)
def test_money_has_as_many_digits_as_matter(micros: int, text: str) -> None:
    assert formats.money_text(micros, "EUR") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1234567, "1,234,567"), (12.5, "12.5"), (0.00321, "0.0032"), (1234.56, "1,234.6"), (-3, "\u22123")],
)
def test_numbers_are_grouped_and_rounded_by_size(value: float | None, text: str) -> None:
    assert formats.number_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (1076.25, "1,076.25"),
        (1230.75, "1,230.75"),
        (20 / 7, "2.857142857142857"),
        (-0.3, "\u22120.3"),
        (8.0, "8"),
        (1200.0, "1,200"),
        (0.0, "0"),
        (1e-07, "0.0000001"),
        (1.5e300, "1.5e+300"),
        (float("inf"), "inf"),
    ],
)
def test_what_was_measured_keeps_every_digit(value: float | None, text: str) -> None:
    assert formats.reading_text(value) == text


def test_percent_reaches_100_only_for_all_of_them() -> None:
    assert formats.percent_text(0.99999) == "99.9\u00a0%"
    assert formats.percent_text(1.0) == "100\u00a0%"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (300 * 1024**2, "300 MiB"), (1024**4, "1.0 TiB")],
)
def test_sizes_use_binary_units(size: int, text: str) -> None:
    assert formats.size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (12, "12 seconds"), (3600, "1 hour"), (5400, "1 hour 30 minutes"), (172_800, "2 days")],
)
def test_durations_name_the_largest_units(seconds: int, text: str) -> None:
    assert formats.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("shift", "text"),
    [
        (0, "just now"),
        (-180, "3 minutes ago"),
        (-3600, "1 hour ago"),
        (2 * 86_400, "in 2 days"),
        (-400 * 86_400, "1 year ago"),
    ],
)
def test_relative_time_goes_both_ways(shift: int, text: str) -> None:
    assert formats.relative_text(NOW + timedelta(seconds=shift), NOW) == text


def test_exact_time_adds_the_readers_own_when_it_differs() -> None:
    assert formats.exact_text(NOW, UTC) == "14 Mar 2026, 09:26:53 UTC"
    assert formats.exact_text(NOW, ZoneInfo("Europe/Vienna")) == (
        "14 Mar 2026, 09:26:53 UTC · 14 Mar, 10:26:53 Europe/Vienna"
    )


def test_keys_are_shortened_only_when_that_saves_something() -> None:
    assert formats.short_key("0123456789abcdef") == "0123456789abcdef"
    assert formats.short_key("0123456789abcdef0") == "012345…bcdef0"


def test_an_end_at_midnight_is_the_end_of_the_day_before():
    vienna = ZoneInfo("Europe/Vienna")
    midnight = datetime(2027, 5, 31, 22, tzinfo=UTC)
    assert formats.end_text(midnight, vienna) == "the end of 31 May 2027 (Europe/Vienna)"
    assert formats.end_text(midnight, UTC) == "31 May 2027, 22:00 (UTC)"


@pytest.mark.parametrize(("basis_points", "text"), [(2000, "20"), (2550, "25.5"), (1925, "19.25"), (500, "5")])
def test_rates_of_tax(basis_points: int, text: str) -> None:
    assert rate_text(basis_points) == f"{text}\N{NO-BREAK SPACE}%"
