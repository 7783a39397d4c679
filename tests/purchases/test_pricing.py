import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.purchases.pricing import Quote, quote

prices = st.integers(0, 2**63 - 1)
fees = st.integers(0, 10_000)


@given(prices, fees)
def test_the_parts_sum_to_the_price_exactly(price, fee):
    parts = quote(price, fee)
    assert parts.fee_micros + parts.seller_micros + parts.rounding_micros == parts.total_micros == price


@given(prices, fees)
def test_rounding_takes_at_most_half_a_unit_from_either_side(price, fee):
    parts = quote(price, fee)
    unit = 1 if price % 10_000 else 10_000
    assert abs(2 * (price * fee - parts.fee_micros * 10_000)) <= unit * 10_000
    assert abs(2 * (price * (10_000 - fee) - parts.seller_micros * 10_000)) <= unit * 10_000
    assert parts.rounding_micros in {0, unit}


@given(st.integers(0, 10**14).map(lambda cents: cents * 10_000), fees)
def test_a_price_in_whole_cents_has_parts_in_whole_cents(price, fee):
    parts = quote(price, fee)
    assert {parts.fee_micros % 10_000, parts.seller_micros % 10_000, parts.rounding_micros % 10_000} == {0}


@given(prices, fees)
def test_neither_side_is_favoured(price, fee):
    mirrored = quote(price, 10_000 - fee)
    assert (mirrored.fee_micros, mirrored.seller_micros) == (
        quote(price, fee).seller_micros,
        quote(price, fee).fee_micros,
    )


def test_exact_values():
    assert quote(5_000_000, 800) == Quote(5_000_000, 400_000, 4_600_000, 0)
    assert quote(82_400_000, 800) == Quote(82_400_000, 6_590_000, 75_810_000, 0)
    assert quote(10_000, 800) == Quote(10_000, 0, 10_000, 0)
    assert quote(10_000, 5_000) == Quote(10_000, 0, 0, 10_000)
    assert quote(1_000_000, 50) == Quote(1_000_000, 0, 990_000, 10_000)
    assert quote(19, 800) == Quote(19, 2, 17, 0)
    assert quote(1, 5_000) == Quote(1, 0, 0, 1)
    assert quote(0, 800) == Quote(0, 0, 0, 0)
    assert quote(1_000_000, 0) == Quote(1_000_000, 0, 1_000_000, 0)
    assert quote(1_000_000, 10_000) == Quote(1_000_000, 1_000_000, 0, 0)


@pytest.mark.parametrize(("price", "fee"), [(-1, 800), (1, -1), (1, 10_001)])
def test_refuses_what_is_no_price_or_fee(price, fee):
    with pytest.raises(ValueError):
        quote(price, fee)
