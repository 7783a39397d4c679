"""What of a price is earned at a moment, and how what leaves the escrow is split. Pure: integers and instants.

A price waits in the seller's escrow. It leaves in steps: to the seller, the market and the tax as it is earned, or back
to the buyer. Whatever the steps were, all that was kept is split as pricing.quote_part splits it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.purchases.pricing import Quote, quote_part, refund_micros

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Term:
    """The time that a price pays for. A price that is earned at one moment has ends_at = starts_at."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Step:
    """What leaves the escrow now; all zero when nothing does."""

    seller_micros: int = 0
    fee_micros: int = 0
    tax_micros: int = 0
    rounding_micros: int = 0
    refund_micros: int = 0

    @property
    def released_micros(self) -> int:
        return self.seller_micros + self.fee_micros + self.tax_micros + self.rounding_micros


def unused_micros(price_micros: int, term: Term, at: datetime) -> int:
    """The part of a price for the seconds that are not used up; a second begun counts as used."""
    if at >= term.ends_at:
        return 0
    if at <= term.starts_at:
        return price_micros
    all_seconds = (term.ends_at - term.starts_at) // SECOND
    used_seconds = -((term.starts_at - at) // SECOND)
    return refund_micros(price_micros, all_seconds, all_seconds - used_seconds)


def release(whole: Quote, released_micros: int, earned_micros: int) -> Step:
    """Give out what is earned of a price, of which so much was released before. What is released is not called back."""
    before, after = quote_part(whole, released_micros), quote_part(whole, max(earned_micros, released_micros))
    return Step(
        seller_micros=after.seller_micros - before.seller_micros,
        fee_micros=after.fee_micros - before.fee_micros,
        tax_micros=after.tax_micros - before.tax_micros,
        rounding_micros=after.rounding_micros - before.rounding_micros,
    )


def close(whole: Quote, released_micros: int, refunded_micros: int, refund_micros: int = 0) -> Step:
    """Give back a part of the price, at most what is still held, and give out all the rest."""
    held = whole.total_micros - released_micros - refunded_micros
    refund = min(refund_micros, held)
    rest = release(whole, released_micros, released_micros + held - refund)
    return Step(rest.seller_micros, rest.fee_micros, rest.tax_micros, rest.rounding_micros, refund)
