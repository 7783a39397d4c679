"""How a price is split. Pure: integers in and out.

The buyer pays the price of the plan and nothing on top; the market's fee is inside it. A price in whole cents has parts
in whole cents, so that what a page shows is what was moved: the fee and the seller's part are each rounded to the
nearest cent, and where both stand exactly between two, both are rounded down and the cent that is left is posted to the
rounding account. So neither side is favoured. A price with a fraction of a cent is split the same way in micros. The
parts sum to the price exactly, always.
"""

from dataclasses import dataclass

from marketplace.wallet.units import MICROS_PER_CENT

ALL_BASIS_POINTS = 10_000


@dataclass(frozen=True)
class Quote:
    """total_micros = fee_micros + seller_micros + rounding_micros."""

    total_micros: int
    fee_micros: int
    seller_micros: int
    rounding_micros: int


def quote(price_micros: int, fee_basis_points: int) -> Quote:
    """Split a price into the market's fee, the seller's part and the remainder: none, or one cent (or micro).

    fee_basis_points: the fee in hundredths of a percent of the price, 0 to 10,000. Raises ValueError outside of that or
    for a price below zero.
    """
    if price_micros < 0:
        raise ValueError("A price is not below zero.")
    if not 0 <= fee_basis_points <= ALL_BASIS_POINTS:
        raise ValueError("A fee is between 0 and 10,000 basis points.")
    unit_micros = 1 if price_micros % MICROS_PER_CENT else MICROS_PER_CENT
    fee = _share(price_micros, fee_basis_points, unit_micros)
    seller = _share(price_micros, ALL_BASIS_POINTS - fee_basis_points, unit_micros)
    return Quote(price_micros, fee, seller, price_micros - fee - seller)


def _share(price_micros: int, basis_points: int, unit_micros: int) -> int:
    """Round to the nearest unit; what stands exactly between two goes down."""
    whole = ALL_BASIS_POINTS * unit_micros
    return (2 * price_micros * basis_points + whole - 1) // (2 * whole) * unit_micros
