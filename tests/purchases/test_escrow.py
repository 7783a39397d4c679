"""Whatever the steps were: in the end each has what the quote of the kept part says, and the buyer has the rest."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.purchases.escrow import Held, Step, Term, close, release_so_far, unused_micros
from marketplace.purchases.pricing import quote

START = datetime(2026, 3, 14, 9, 26, 53, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = Term(START, START + 30 * DAY)


def after(held: Held, step: Step) -> Held:
    return Held(
        held.price_micros,
        held.fee_basis_points,
        held.released_seller_micros + step.seller_micros,
        held.released_fee_micros + step.fee_micros,
    )


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
    seconds=st.lists(st.integers(0, 40 * 86_400), max_size=6).map(sorted),
    is_cut=st.booleans(),
)
def test_no_way_through_the_escrow_makes_or_loses_a_micro(price, fee, seconds, is_cut):
    held, instants = Held(price, fee), [START + timedelta(seconds=number) for number in seconds]
    for at in instants:
        step = release_so_far(held, price - unused_micros(price, MONTH, at))
        assert min(step.seller_micros, step.fee_micros) >= 0
        held = after(held, step)
    refund = unused_micros(price, MONTH, instants[-1]) if is_cut and instants else 0
    last = close(held, refund)
    kept = quote(price - refund, fee)
    assert last.refund_micros == refund
    assert min(last.seller_micros, last.fee_micros, last.rounding_micros) >= 0
    assert held.released_seller_micros + last.seller_micros == kept.seller_micros
    assert held.released_fee_micros + last.fee_micros == kept.fee_micros
    assert last.rounding_micros == kept.rounding_micros


@given(
    price=st.integers(1, 10**9),
    fee=st.integers(0, 10_000),
    seller=st.integers(0, 10**9),
    kept_fee=st.integers(0, 10**9),
    refund=st.integers(0, 2 * 10**9),
)
def test_even_a_refund_that_comes_too_late_stays_within_the_price(price, fee, seller, kept_fee, refund):
    seller = min(seller, price)
    held = Held(price, fee, seller, min(kept_fee, price - seller))
    last = close(held, refund)
    assert last.refund_micros <= refund
    assert min(last.seller_micros, last.fee_micros, last.rounding_micros, last.refund_micros) >= 0
    assert held.released_micros + last.released_micros + last.refund_micros == price
