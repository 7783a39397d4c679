"""Which data a plan opens, and until when. All of it follows from the plan, the consent and a moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from marketplace.consents.models import Consent
from marketplace.listings.models import Plan

HISTORY_ACCESS = timedelta(days=365)
ACCESS_AFTER_PERIOD = timedelta(days=30)
# A trial by rows ends after this time too, however few were read.
TRIAL_ACCESS = timedelta(days=30)
# A period's clock starts at the first delivery, and after this time without one.
LONGEST_CLOCK_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Window:
    """Which data a purchase opens (starts_at None: from the first reading on), and until when it may be fetched."""

    starts_at: datetime | None
    ends_at: datetime
    access_until: datetime


def window_of(plan: Plan, consent: Consent, at: datetime) -> Window:
    """Return what buying a plan at a moment opens. No access outlasts the consent, whatever the plan says.

    After a period one has ACCESS_AFTER_PERIOD to load its last reading, counted from when its delay is over.
    """
    if plan.kind == Plan.Kind.PERIOD:
        return period_window(plan, consent, window_from=at, clock_at=at)
    if plan.kind == Plan.Kind.METERED:
        return Window(None, consent.valid_until, consent.valid_until)
    if plan.kind == Plan.Kind.TRIAL:
        ends_at = at + timedelta(seconds=plan.trial_seconds or 0)
        last = ends_at if plan.trial_seconds else at + TRIAL_ACCESS
        return Window(None, ends_at, min(last, consent.valid_until))
    return Window(None, plan.readings_until(at), min(at + HISTORY_ACCESS, consent.valid_until))


def period_window(plan: Plan, consent: Consent, *, window_from: datetime, clock_at: datetime) -> Window:
    """window_from: the first reading's time; clock_at: from when the length of the period is counted."""
    ends_at = plan.readings_until(clock_at)
    delivered_at = ends_at + timedelta(seconds=consent.delay_seconds)
    return Window(window_from, ends_at, min(delivered_at + ACCESS_AFTER_PERIOD, consent.valid_until))


def latest_clock(plan: Plan, consent: Consent, purchased_at: datetime) -> datetime:
    """When a period's clock starts at the latest: sooner where the consent would else end before the period."""
    fits_until = consent.valid_until - timedelta(seconds=consent.delay_seconds + (plan.period_seconds or 0))
    return max(purchased_at, min(purchased_at + LONGEST_CLOCK_WAIT, fits_until))
