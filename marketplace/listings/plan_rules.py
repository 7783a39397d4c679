"""Which plans may be. The database refuses the worst of it too; here each refusal has its reason."""

from collections.abc import Sequence

from marketplace.listings import errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import SHORTEST_PERIOD_SECONDS, Plan
from marketplace.wallet.units import MICROS_PER_CENT, MICROS_PER_UNIT

MOST_PLANS = 20
LONGEST_PERIOD_SECONDS = 366 * 86_400
LONGEST_TRIAL_SECONDS = 90 * 86_400
MOST_TRIAL_ROWS = 1_000_000
MOST_FREE_ROWS = 10**12
HIGHEST_PRICE_MICROS = 1_000_000 * MICROS_PER_UNIT


def check_plan(plan: PlanTerms) -> None:
    """Raises: PlanInvalid."""
    if plan.kind not in Plan.Kind.values:
        raise errors.PlanInvalid
    fits = {
        Plan.Kind.PERIOD: _period_fits(plan),
        Plan.Kind.METERED: _meter_fits(plan),
        Plan.Kind.TRIAL: _trial_fits(plan),
    }
    price_fits = _is_price(plan.price_micros) if plan.kind in _PRICED else plan.price_micros == 0
    if not price_fits or not fits.pop(Plan.Kind(plan.kind), True):
        raise errors.PlanInvalid
    if not all(_lacks(plan, *_FIELDS_OF[kind]) for kind in fits):
        raise errors.PlanInvalid


def check_no_conflict(plans: Sequence[PlanTerms]) -> None:
    """Nobody would pay the higher of two prices for one thing. Raises: PlansConflict."""
    sold = [_sold(plan) for plan in plans]
    if len(set(sold)) < len(sold):
        raise errors.PlansConflict


def terms_of(plan: Plan) -> PlanTerms:
    return PlanTerms(**{name: getattr(plan, name) for name in PlanTerms.__dataclass_fields__})


_PRICED = (Plan.Kind.ONE_OFF, Plan.Kind.PERIOD)
_FIELDS_OF = {
    Plan.Kind.PERIOD: ("period_seconds", "is_renewing"),
    Plan.Kind.METERED: ("micros_per_1000_rows", "free_rows", "base_micros", "cap_micros"),
    Plan.Kind.TRIAL: ("trial_seconds", "trial_rows"),
}


def _sold(plan: PlanTerms) -> tuple[object, ...]:
    """Free or not, the history is one thing, and so is each length of period and each way of metering."""
    if plan.kind == Plan.Kind.PERIOD:
        return ("period", plan.period_seconds, plan.is_renewing)
    if plan.kind == Plan.Kind.METERED:
        return ("metered", plan.micros_per_1000_rows, plan.base_micros)
    return ("trial",) if plan.kind == Plan.Kind.TRIAL else ("history",)


def _is_price(micros: int) -> bool:
    """Whole cents, so that its parts are whole cents too, and pages never show a fraction of one."""
    return MICROS_PER_CENT <= micros <= HIGHEST_PRICE_MICROS and micros % MICROS_PER_CENT == 0


def _period_fits(plan: PlanTerms) -> bool:
    seconds = plan.period_seconds
    return seconds is not None and SHORTEST_PERIOD_SECONDS <= seconds <= LONGEST_PERIOD_SECONDS


def _meter_fits(plan: PlanTerms) -> bool:
    is_priced = plan.micros_per_1000_rows is not None and _is_price(plan.micros_per_1000_rows)
    base_fits = plan.base_micros == 0 or _is_price(plan.base_micros)
    cap = plan.cap_micros
    cap_fits = cap is None or (_is_price(cap) and cap >= plan.base_micros)
    return is_priced and base_fits and cap_fits and 0 <= plan.free_rows <= MOST_FREE_ROWS


def _trial_fits(plan: PlanTerms) -> bool:
    seconds, rows = plan.trial_seconds, plan.trial_rows
    time_fits = seconds is None or SHORTEST_PERIOD_SECONDS <= seconds <= LONGEST_TRIAL_SECONDS
    rows_fit = rows is None or 1 <= rows <= MOST_TRIAL_ROWS
    return time_fits and rows_fit and (seconds is None) != (rows is None)


def _lacks(plan: PlanTerms, *names: str) -> bool:
    return not any(getattr(plan, name) for name in names)
