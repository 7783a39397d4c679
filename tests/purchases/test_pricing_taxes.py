from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.purchases.pricing import Quote, quote, quote_part

prices = st.integers(0, 2**63 - 1)
fees = st.integers(0, 10_000)
taxes = st.integers(0, 5_000)


@given(prices, fees, taxes)
def test_the_parts_sum_to_the_price_exactly_and_none_is_below_zero(price, fee, tax):
    parts = quote(price, fee, tax)
    each = [parts.tax_micros, parts.fee_micros, parts.seller_micros, parts.rounding_micros]
    assert sum(each) == parts.total_micros == price
    assert min(each) >= 0


@given(prices, fees, taxes)
def test_the_tax_is_the_rate_on_what_is_left_without_it_to_half_a_unit(price, fee, tax):
    parts = quote(price, fee, tax)
    unit = 1 if price % 10_000 else 10_000
    assert abs(2 * (parts.tax_micros * (10_000 + tax) - price * tax)) <= unit * (10_000 + tax)


@given(st.integers(0, 10**14).map(lambda cents: cents * 10_000), fees, taxes)
def test_a_price_in_whole_cents_has_parts_in_whole_cents(price, fee, tax):
    parts = quote(price, fee, tax)
    assert {each % 10_000 for each in (parts.tax_micros, parts.fee_micros, parts.seller_micros)} == {0}


@given(prices, fees)
def test_no_tax_is_the_quote_without_tax(price, fee):
    assert quote(price, fee, 0) == quote(price, fee)
    assert quote(price, fee).net_micros == price


def test_exact_values():
    assert quote(11_900_000, 800, 1_900) == Quote(11_900_000, 800_000, 9_200_000, 0, 1_900_000)
    assert quote(10_000_000, 800, 1_900) == Quote(10_000_000, 670_000, 7_730_000, 0, 1_600_000)
    assert quote(10_000, 800, 2_100) == Quote(10_000, 0, 10_000, 0, 0)
    assert quote(0, 800, 1_900) == Quote(0, 0, 0, 0, 0)


def test_refuses_a_tax_below_zero():
    with pytest.raises(ValueError):
        quote(10_000, 800, -1)


@given(prices, fees, taxes, st.lists(st.floats(0, 1), max_size=6))
def test_steps_of_a_price_are_never_negative_and_sum_to_the_whole(price, fee, tax, shares):
    whole = quote(price, fee, tax)
    cuts = [0, *sorted(min(int(price * share), price) for share in shares), price]
    parts = [quote_part(whole, cut) for cut in cuts]
    for before, after in pairwise(parts):
        assert after.tax_micros >= before.tax_micros
        assert after.fee_micros >= before.fee_micros
        assert after.seller_micros >= before.seller_micros
        assert after.rounding_micros >= before.rounding_micros
    for part in parts:
        each = part.tax_micros + part.fee_micros + part.seller_micros + part.rounding_micros
        assert each == part.total_micros
    assert parts[-1] == whole


@given(st.integers(0, 300), fees, taxes)
def test_a_part_grows_by_one_micro_in_one_place_at_a_time(price, fee, tax):
    whole = quote(price, fee, tax)
    last = quote_part(whole, 0)
    for cut in range(1, price + 1):
        part = quote_part(whole, cut)
        steps = [
            part.tax_micros - last.tax_micros,
            part.fee_micros - last.fee_micros,
            part.seller_micros - last.seller_micros,
            part.rounding_micros - last.rounding_micros,
        ]
        assert sorted(steps) == [0, 0, 0, 1]
        last = part
    assert last == whole


@pytest.mark.parametrize("part", [-1, 1_000_001])
def test_refuses_a_part_outside_the_whole(part):
    with pytest.raises(ValueError):
        quote_part(quote(1_000_000, 800), part)
