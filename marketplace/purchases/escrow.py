"""What of a price is earned at a moment, and how what leaves the escrow is split. Pure: integers and instants.

A price waits in the seller's escrow. It leaves in steps: to the seller and the market as it is earned, or back to the
buyer. Whatever the steps were, in the end the seller and the market have what the quote of the kept part says, to the
micro, and the buyer has the rest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.purchases.pricing import quote
from marketplace.wallet.units import MICROS_PER_CENT


@dataclass(frozen=True)
class Term:
    """The time that a price pays for. A price that is earned at one moment has ends_at = starts_at."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Held:
    """What a sale holds. released_seller_micros + released_fee_micros went out already, nothing was refunded yet."""

    price_micros: int
    fee_basis_points: int
    released_seller_micros: int = 0
    released_fee_micros: int = 0

    @property
    def released_micros(self) -> int:
        return self.released_seller_micros + self.released_fee_micros


@dataclass(frozen=True)
class Step:
    """What leaves the escrow now; all zero when nothing does."""

    seller_micros: int = 0
    fee_micros: int = 0
    rounding_micros: int = 0
    refund_micros: int = 0

    @property
    def released_micros(self) -> int:
        return self.seller_micros + self.fee_micros + self.rounding_micros


def unused_micros(price_micros: int, term: Term, at: datetime) -> int:
    """The part of a price for the seconds that are not used up, rounded down to the micro; a second begun counts."""
    if at >= term.ends_at:
        return 0
    if at <= term.starts_at:
        return price_micros
    all_seconds = (term.ends_at - term.starts_at) // timedelta(seconds=1)
    used_seconds = -((term.starts_at - at) // timedelta(seconds=1))
    return price_micros * max(all_seconds - used_seconds, 0) // all_seconds


def release_so_far(held: Held, earned_micros: int) -> Step:
    """Give out what is earned of a price while its end is not known yet.

    Parts are kept a cent or two behind: the quote of what is kept in the end is rounded to cents, and no part may be
    called back.
    """
    parts = quote(earned_micros, held.fee_basis_points)
    return Step(
        seller_micros=max(_behind(parts.seller_micros) - held.released_seller_micros, 0),
        fee_micros=max(_behind(parts.fee_micros) - held.released_fee_micros, 0),
    )


def close(held: Held, refund_micros: int) -> Step:
    """Give back a part of the price, at most what was not released, and give out all the rest."""
    refund = min(refund_micros, held.price_micros - held.released_micros)
    parts = quote(held.price_micros - refund, held.fee_basis_points)
    # The parts that are out fit the quote unless clocks of several machines disagree by more than cents are worth.
    seller = max(parts.seller_micros - held.released_seller_micros, 0)
    fee = min(max(parts.fee_micros - held.released_fee_micros, 0), held.price_micros - refund - held.released_micros)
    seller = min(seller, held.price_micros - refund - held.released_micros - fee)
    rest = held.price_micros - refund - held.released_micros
    return Step(seller, fee, rest - seller - fee, refund)


def _behind(micros: int) -> int:
    return max(micros // MICROS_PER_CENT - 1, 0) * MICROS_PER_CENT
