from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marketplace.purchases.pricing import (
    MeteredTerms,
    TrialTerms,
    cover_micros,
    earned_micros,
    has_room_for,
    metered_bill,
    refund_micros,
)

amounts = st.one_of(st.integers(0, 10_000), st.integers(0, 2**63 - 1))
rows = st.one_of(st.integers(0, 5_000), st.integers(0, 10**15))
caps = st.none() | amounts
terms = st.builds(MeteredTerms, micros_per_1000_rows=amounts, free_rows=rows, base_micros=amounts, cap_micros=caps)
lengths = st.integers(3_600, 10**10)


@given(amounts, lengths, st.integers(0, 10**10))
def test_refunded_and_earned_sum_to_the_price(price, total, remaining):
    refund = refund_micros(price, total, remaining)
    assert refund + earned_micros(price, total, remaining) == price
    assert 0 <= refund <= price
    assert refund * total <= price * min(remaining, total) < (refund + 1) * total


@given(amounts, lengths, st.lists(st.floats(0, 1), max_size=8))
def test_what_is_earned_between_any_moments_sums_to_the_price(price, total, shares):
    moments = [total, *sorted((int(total * share) for share in shares), reverse=True), 0]
    earned = [earned_micros(price, total, remaining) for remaining in moments]
    steps = [after - before for before, after in pairwise(earned)]
    assert earned[0] == 0
    assert min(steps) >= 0
    assert sum(steps) == price


def test_proration_exact_values():
    assert refund_micros(30_000_000, 30 * 86_400, 15 * 86_400) == 15_000_000
    assert refund_micros(10_000_000, 3, 1) == 3_333_333
    assert earned_micros(10_000_000, 3, 1) == 6_666_667
    assert refund_micros(10_000_000, 3_600, -5) == 0
    assert refund_micros(10_000_000, 3_600, 3_601) == 10_000_000


@pytest.mark.parametrize(("price", "total"), [(-1, 3_600), (1, 0), (1, -1)])
def test_refuses_what_is_no_period(price, total):
    with pytest.raises(ValueError):
        refund_micros(price, total, 0)


@given(terms, rows, rows, caps)
def test_a_bill_never_falls_as_rows_grow(terms, fewer, more, own_cap):
    fewer, more = sorted((fewer, more))
    assert metered_bill(terms, fewer, own_cap).charge_micros <= metered_bill(terms, more, own_cap).charge_micros


@given(terms, rows, caps)
def test_no_cap_is_exceeded_and_the_parts_sum_to_the_charge(terms, row_count, own_cap):
    bill = metered_bill(terms, row_count, own_cap)
    assert bill.charge_micros == bill.base_micros + bill.usage_micros
    assert 0 <= bill.base_micros <= terms.base_micros
    assert bill.usage_micros >= 0
    for cap in (terms.cap_micros, own_cap):
        assert cap is None or bill.charge_micros <= cap


@given(terms, rows)
def test_free_rows_cost_nothing(terms, row_count):
    assume(row_count <= terms.free_rows)
    assert metered_bill(terms, row_count).usage_micros == 0


@given(terms, rows, rows, caps)
def test_what_has_room_is_charged_in_full(terms, before, more, own_cap):
    assume(has_room_for(terms, before, more, own_cap))
    assume(has_room_for(terms, 0, before, own_cap))
    full = metered_bill(terms, before + more).charge_micros
    if own_cap is not None and terms.base_micros <= own_cap:
        assert metered_bill(terms, before + more, own_cap).charge_micros == full


@given(terms, rows, st.integers(0, 100_000), caps)
def test_a_stopped_buyer_has_no_room_for_a_row(terms, before, more, own_cap):
    bill = metered_bill(terms, before, own_cap)
    assert bill.is_stopped is not has_room_for(terms, before, 1, own_cap)
    if own_cap is None:
        assert not bill.is_stopped


@given(terms, rows, st.integers(0, 100_000), caps)
def test_the_cover_is_at_least_the_bill_after_the_read(terms, before, more, own_cap):
    cover = cover_micros(terms, before, more, own_cap)
    assert cover >= metered_bill(terms, before + more, own_cap).charge_micros
    assert own_cap is None or cover <= own_cap


def test_metered_exact_values():
    terms = MeteredTerms(micros_per_1000_rows=500_000, free_rows=1_000, base_micros=2_000_000, cap_micros=4_000_000)
    assert metered_bill(terms, 0).charge_micros == 2_000_000
    assert metered_bill(terms, 1_000).charge_micros == 2_000_000
    assert metered_bill(terms, 2_001).usage_micros == 500_500
    assert metered_bill(terms, 5_000).charge_micros == 4_000_000
    assert metered_bill(terms, 10**9).charge_micros == 4_000_000
    assert not metered_bill(terms, 10**9, 4_000_000).is_stopped
    assert metered_bill(terms, 2_000, 2_500_000).is_stopped
    assert not metered_bill(terms, 1_999, 2_500_000).is_stopped
    assert metered_bill(terms, 9_000, 2_500_000).charge_micros == 2_500_000
    assert cover_micros(terms, 0, 10) == 2_000_000
    assert cover_micros(terms, 1_000, 10) == 2_500_000
    assert cover_micros(terms, 1_000, 3_000) == 3_500_000


@pytest.mark.parametrize(
    "amounts",
    [
        {"micros_per_1000_rows": -1},
        {"micros_per_1000_rows": 1, "free_rows": -1},
        {"micros_per_1000_rows": 1, "base_micros": -1},
        {"micros_per_1000_rows": 1, "cap_micros": -1},
    ],
)
def test_refuses_terms_below_zero(amounts):
    with pytest.raises(ValueError):
        MeteredTerms(**amounts)


@pytest.mark.parametrize(("row_count", "own_cap"), [(-1, None), (1, -1)])
def test_refuses_a_bill_below_zero(row_count, own_cap):
    with pytest.raises(ValueError):
        metered_bill(MeteredTerms(1), row_count, own_cap)


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_trial_by_rows_never_gives_more_rows(limit, before, more):
    allowed = TrialTerms(trial_rows=limit).allows(elapsed_seconds=10**9, row_count=before, more_rows=more)
    assert allowed is (before + more <= limit)


@given(st.integers(1, 10**9), st.integers(0, 10**9))
def test_a_trial_by_time_ends_at_its_second(limit, elapsed):
    assert TrialTerms(trial_seconds=limit).allows(elapsed_seconds=elapsed, row_count=10**9) is (elapsed < limit)


@pytest.mark.parametrize(
    "limits", [{}, {"trial_rows": 0}, {"trial_seconds": 0}, {"trial_rows": 5, "trial_seconds": -1}]
)
def test_refuses_a_trial_without_a_limit(limits):
    with pytest.raises(ValueError):
        TrialTerms(**limits)
