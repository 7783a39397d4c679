"""How a price is split. Pure: integers in and out.

The buyer pays the price of the plan and nothing on top; the market's fee is inside it. The fee and the seller's part
are both rounded down to a micro, so that rounding favours neither; what is left, at most one micro, is posted to the
rounding account. The parts sum to the price exactly, always.
"""

from dataclasses import dataclass

ALL_BASIS_POINTS = 10_000


@dataclass(frozen=True)
class Quote:
    """total_micros = fee_micros + seller_micros + rounding_micros."""

    total_micros: int
    fee_micros: int
    seller_micros: int
    rounding_micros: int


def quote(price_micros: int, fee_basis_points: int) -> Quote:
    """Split a price into the market's fee, the seller's part and the remainder.

    fee_basis_points: the fee in hundredths of a percent of the price, 0 to 10,000. Raises ValueError outside of that or
    for a price below zero.
    """
    if price_micros < 0:
        raise ValueError("A price is not below zero.")
    if not 0 <= fee_basis_points <= ALL_BASIS_POINTS:
        raise ValueError("A fee is between 0 and 10,000 basis points.")
    fee = price_micros * fee_basis_points // ALL_BASIS_POINTS
    seller = price_micros * (ALL_BASIS_POINTS - fee_basis_points) // ALL_BASIS_POINTS
    return Quote(price_micros, fee, seller, price_micros - fee - seller)
