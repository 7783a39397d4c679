"""All arithmetic of prices. Pure: integers in and out, amounts in micros.

How a price is split: the buyer pays the price of the plan and nothing on top; tax and the market's fee are inside it. A
price in whole cents has parts in whole cents, so that what a page shows is what was moved: the tax is rounded to the
nearest cent and taken out first; of what is left the fee and the seller's part are each rounded to the nearest cent,
and where both stand exactly between two, both are rounded down and the cent that is left is posted to the rounding
account. So neither side is favoured. A price with a fraction of a cent is split the same way in micros. The parts sum
to the price exactly, always.

How time is split: to the second, and to the whole micro below. What is not refunded is earned, so the two sum to the
price. How rows are billed: a month at a time, from the rows of the whole month, so that many small reads cost what one
large read costs.
"""

from dataclasses import dataclass

from marketplace.wallet.units import MICROS_PER_CENT

ALL_BASIS_POINTS = 10_000
ROWS_PER_PRICE = 1_000


@dataclass(frozen=True)
class Quote:
    """total_micros = tax_micros + fee_micros + seller_micros + rounding_micros; none of them is below zero."""

    total_micros: int
    fee_micros: int
    seller_micros: int
    rounding_micros: int
    tax_micros: int = 0

    @property
    def net_micros(self) -> int:
        return self.total_micros - self.tax_micros


def quote(price_micros: int, fee_basis_points: int, tax_basis_points: int = 0) -> Quote:
    """Split a price into tax, the market's fee, the seller's part and the remainder: none, or one cent (or micro).

    fee_basis_points: the fee in hundredths of a percent of the price without tax, 0 to 10,000.
    tax_basis_points: the tax as its law states it, in hundredths of a percent of the price without tax; 0 or more.
    Raises ValueError outside of that or for a price below zero.
    """
    if price_micros < 0:
        raise ValueError("A price is not below zero.")
    if not 0 <= fee_basis_points <= ALL_BASIS_POINTS:
        raise ValueError("A fee is between 0 and 10,000 basis points.")
    if tax_basis_points < 0:
        raise ValueError("A tax is not below zero.")
    unit_micros = 1 if price_micros % MICROS_PER_CENT else MICROS_PER_CENT
    tax = _share(price_micros, tax_basis_points, ALL_BASIS_POINTS + tax_basis_points, unit_micros)
    net = price_micros - tax
    fee = _share(net, fee_basis_points, ALL_BASIS_POINTS, unit_micros)
    seller = _share(net, ALL_BASIS_POINTS - fee_basis_points, ALL_BASIS_POINTS, unit_micros)
    return Quote(price_micros, fee, seller, net - fee - seller, tax)


def quote_part(whole: Quote, part_micros: int) -> Quote:
    """Split the first part_micros of a quoted price in the proportion of the whole.

    As the part grows to the whole, no part of it ever shrinks, and at the end it is the whole to the micro. So a price
    can be released in any steps: a step is worth the difference of two parts, and all steps sum to the whole.
    """
    if not 0 <= part_micros <= whole.total_micros:
        raise ValueError("A part is between nothing and the whole.")
    # Each split is a floor of a share of what is left, and so is what remains after it: both grow by 0 or 1 a micro.
    left_micros, left_whole = part_micros, whole.total_micros
    parts = []
    for whole_micros in (whole.tax_micros, whole.fee_micros, whole.rounding_micros):
        parts.append(left_micros * whole_micros // left_whole if left_whole else 0)
        left_micros -= parts[-1]
        left_whole -= whole_micros
    tax, fee, rounding = parts
    return Quote(part_micros, fee, left_micros, rounding, tax)


def refund_micros(price_micros: int, total_seconds: int, remaining_seconds: int) -> int:
    """Return what a period's unused seconds are worth, rounded down. Seconds outside the period count as its ends."""
    if price_micros < 0 or total_seconds <= 0:
        raise ValueError("A period has a length, and its price is not below zero.")
    remaining = min(max(remaining_seconds, 0), total_seconds)
    return price_micros * remaining // total_seconds


def earned_micros(price_micros: int, total_seconds: int, remaining_seconds: int) -> int:
    """Return what a period's used seconds are worth: all that would not be refunded."""
    return price_micros - refund_micros(price_micros, total_seconds, remaining_seconds)


@dataclass(frozen=True)
class MeteredTerms:
    """What a month of reading costs. cap_micros: the most that a month costs, base fee included; reading goes on."""

    micros_per_1000_rows: int
    free_rows: int = 0
    base_micros: int = 0
    cap_micros: int | None = None

    def __post_init__(self) -> None:
        amounts = (self.micros_per_1000_rows, self.free_rows, self.base_micros, self.cap_micros or 0)
        if min(amounts) < 0:
            raise ValueError("No price, cap or number of rows is below zero.")


@dataclass(frozen=True)
class Bill:
    """One month. charge_micros = base_micros + usage_micros.

    is_stopped: the buyer's own cap allows not one more row that costs something.
    """

    row_count: int
    free_rows: int
    base_micros: int
    usage_micros: int
    is_stopped: bool

    @property
    def charge_micros(self) -> int:
        return self.base_micros + self.usage_micros


def metered_bill(terms: MeteredTerms, row_count: int, own_cap_micros: int | None = None) -> Bill:
    """Bill a month's rows. The charge is never above the plan's cap, nor above the buyer's own.

    own_cap_micros: the most that the buyer wants to spend in a month; doors ask has_room_for before they deliver.
    """
    if row_count < 0 or (own_cap_micros is not None and own_cap_micros < 0):
        raise ValueError("No cap or number of rows is below zero.")
    charge = _uncut_charge(terms, row_count)
    if own_cap_micros is not None:
        charge = min(charge, own_cap_micros)
    base = min(terms.base_micros, charge)
    return Bill(
        row_count=row_count,
        free_rows=min(row_count, terms.free_rows),
        base_micros=base,
        usage_micros=charge - base,
        is_stopped=not has_room_for(terms, row_count, 1, own_cap_micros),
    )


def has_room_for(terms: MeteredTerms, row_count: int, more_rows: int, own_cap_micros: int | None) -> bool:
    """Whether so many more rows leave the month's charge within the buyer's own cap; what adds no cost always does.

    row_count: what was read this month before.
    """
    if own_cap_micros is None:
        return True
    after = _uncut_charge(terms, row_count + more_rows)
    return after <= own_cap_micros or after == _uncut_charge(terms, row_count)


def cover_micros(terms: MeteredTerms, row_count: int, more_rows: int, own_cap_micros: int | None = None) -> int:
    """Return what the buyer's wallet must hold before so many more rows: the month's charge with them.

    At least the next 1,000 rows count as asked for, so that a wallet runs dry between reads, not inside one.
    """
    ahead = row_count + max(more_rows, ROWS_PER_PRICE)
    return metered_bill(terms, ahead, own_cap_micros).charge_micros


@dataclass(frozen=True)
class TrialTerms:
    """A trial ends by time or by rows, whichever of the two it names; it names at least one."""

    trial_seconds: int | None = None
    trial_rows: int | None = None

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.trial_seconds, self.trial_rows) if limit is not None]
        if not limits or min(limits) <= 0:
            raise ValueError("A trial lasts some seconds or some rows.")

    def allows(self, *, elapsed_seconds: int, row_count: int, more_rows: int = 1) -> bool:
        """Whether more_rows may be read after so many seconds and rows."""
        is_in_time = self.trial_seconds is None or elapsed_seconds < self.trial_seconds
        return is_in_time and (self.trial_rows is None or row_count + more_rows <= self.trial_rows)


def _uncut_charge(terms: MeteredTerms, row_count: int) -> int:
    """The month's charge before the buyer's own cap."""
    paid_rows = max(row_count - terms.free_rows, 0)
    charge = terms.base_micros + paid_rows * terms.micros_per_1000_rows // ROWS_PER_PRICE
    return charge if terms.cap_micros is None else min(charge, terms.cap_micros)


def _share(amount_micros: int, part: int, whole: int, unit_micros: int) -> int:
    """Round part/whole of an amount to the nearest unit; what stands exactly between two goes down."""
    whole_units = whole * unit_micros
    return (2 * amount_micros * part + whole_units - 1) // (2 * whole_units) * unit_micros
