"""Whatever the steps were: no micro is made or lost, and what is kept is split as its quote says."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.purchases.escrow import Step, Term, close, release, unused_micros
from marketplace.purchases.pricing import quote, quote_part

START = datetime(2026, 3, 14, 9, 26, 53, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = Term(START, START + 30 * DAY)
PARTS = ("seller_micros", "fee_micros", "tax_micros", "rounding_micros")


@pytest.mark.parametrize(
    ("at", "unused"),
    [
        (START - DAY, 12_000_000),
        (START, 12_000_000),
        (START + timedelta(microseconds=1), 12_000_000 * 2_591_999 // 2_592_000),
        (START + timedelta(seconds=1), 12_000_000 * 2_591_999 // 2_592_000),
        (START + timedelta(seconds=1, microseconds=1), 12_000_000 * 2_591_998 // 2_592_000),
        (START + 10 * DAY, 8_000_000),
        (START + 30 * DAY - timedelta(seconds=1), 4),
        (START + 30 * DAY - timedelta(microseconds=1), 0),
        (START + 30 * DAY, 0),
        (START + 31 * DAY, 0),
    ],
)
def test_a_period_is_earned_to_the_second(at, unused):
    assert unused_micros(12_000_000, MONTH, at) == unused


def test_what_is_earned_at_one_moment_is_all_or_nothing():
    moment = Term(START, START)
    assert unused_micros(7, moment, START - timedelta(microseconds=1)) == 7
    assert unused_micros(7, moment, START) == 0


@given(
    price=st.integers(1, 10**13),
    fee=st.integers(0, 10_000),
    tax=st.integers(0, 3_000),
    seconds=st.lists(st.integers(0, 40 * 86_400), max_size=6).map(sorted),
    is_cut=st.booleans(),
)
def test_no_way_through_the_escrow_makes_or_loses_a_micro(price, fee, tax, seconds, is_cut):
    whole, released, steps = quote(price, fee, tax), 0, []
    instants = [START + timedelta(seconds=number) for number in seconds]
    for at in instants:
        steps.append(release(whole, released, price - unused_micros(price, MONTH, at)))
        released += steps[-1].released_micros
        assert released == price - unused_micros(price, MONTH, at)
    refund = unused_micros(price, MONTH, instants[-1]) if is_cut and instants else 0
    steps.append(close(whole, released, 0, refund))
    kept = quote_part(whole, price - refund)
    assert steps[-1].refund_micros == refund
    assert all(getattr(step, part) >= 0 for step in steps for part in PARTS)
    assert {part: sum(getattr(step, part) for step in steps) for part in PARTS} == {
        part: getattr(kept, part) for part in PARTS
    }


@given(price=st.integers(1, 10**9), released=st.integers(0, 10**9), refund=st.integers(0, 2 * 10**9))
def test_a_refund_that_comes_too_late_calls_nothing_back(price, released, refund):
    released = min(released, price)
    last = close(quote(price, 800), released, 0, refund)
    assert last.refund_micros == min(refund, price - released)
    assert released + last.released_micros + last.refund_micros == price


def test_a_release_that_comes_too_late_gives_nothing():
    assert release(quote(12_000_000, 800), 4_000_000, 3_000_000) == Step()
