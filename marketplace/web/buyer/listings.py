"""What one listing's page shows, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.http import QueryDict

from marketplace.accounts.models import User
from marketplace.delivery.services import describe_table, listing_series, sample_rows
from marketplace.listings.models import Listing, ListingState, Plan
from marketplace.web.formats import percent_text
from marketplace.web.wording import measure_label, unit_label

SAMPLE_ROWS = 8
CHART_POINTS = 480
RANGES = {"week": ("Week", timedelta(days=7)), "month": ("Month", timedelta(days=30)), "all": ("All", None)}


# Why nothing can be bought, in the words of the page. A draft has no such page.
_NOT_SOLD = {
    ListingState.DRAFT: "This listing is a draft.",
    ListingState.WITHDRAWN: "The seller has withdrawn this listing. It is not sold and not delivered any more.",
    ListingState.ENDED: "The owner’s consent is over. It is not sold and not delivered any more.",
    ListingState.WAITING: "This listing goes live as soon as it is recorded in the log, usually within seconds.",
}


def refusal_to_sell(listing: Listing, plans: Sequence[Plan], user: User | AnonymousUser, at: datetime) -> str:
    """Why this listing can't be bought here and now; empty when it can."""
    state = listing.state_at(at, is_recorded=listing.is_recorded())
    if state != ListingState.LIVE:
        return _NOT_SOLD[state]
    if isinstance(user, User) and listing.seller_id == user.pk:
        return "This is your own listing. Buyers see a button here."
    if not any(plan.is_served_within(listing.consent, at) for plan in plans):
        return "The owner’s consent ends before any of these plans would. Nothing is sold here any more."
    return ""


def ended_at(listing: Listing, at: datetime) -> datetime | None:
    """When the first of what a listing stands on ended; None while it is held."""
    if listing.is_held(at):
        return None
    consent = listing.consent
    return min(end for end in (listing.withdrawn_at, consent.withdrawn_at, consent.valid_until) if end is not None)


def shows_data(listing: Listing, user: User | AnonymousUser, at: datetime) -> bool:
    """Who withdrew does not want his data shown; only he still sees what it was, and no former buyer does."""
    return listing.is_held(at) or (isinstance(user, User) and listing.seller_id == user.pk)


def quality_context(listing: Listing) -> dict[str, Any]:
    quality = getattr(listing, "quality", None)
    if quality is None:
        return {"quality": None}
    return {
        "quality": quality,
        "coverage_text": percent_text(quality.coverage),
        "signed_text": percent_text(quality.signed_share),
    }


def columns_table(listing: Listing) -> dict[str, Any]:
    """Columns with their units, without a row."""
    return {"columns": describe_table(listing.consent), "rows": []}


def sample_table(listing: Listing) -> dict[str, Any]:
    """Columns with their units, and rows of values in the same order."""
    columns = describe_table(listing.consent)
    rows = sample_rows(listing=listing, limit=SAMPLE_ROWS)
    return {"columns": columns, "rows": [[row.get(column.name) for column in columns] for row in rows]}


def listing_chart(listing: Listing, query: QueryDict) -> dict[str, Any]:
    """The chart of one consented field over a range, with the links that choose both."""
    fields = list(listing.consent.fields)
    field = query.get("measure", "")
    field = field if field in fields else fields[0]
    range_name = query.get("range", "")
    range_name = range_name if range_name in RANGES else "all"
    everything = listing_series(listing=listing, field=field, points=CHART_POINTS)
    points = _last_part(everything, RANGES[range_name][1])
    units = {column.field: column.unit for column in describe_table(listing.consent)}
    chart = {
        "title": measure_label(field),
        "unit": unit_label(units.get(field, "")),
        "points": points,
        "gap_seconds": _gap_seconds(everything),
    }
    return {
        "chart": chart if points else None,
        "ranges": [
            {"label": label, "url": f"?measure={field}&range={name}#chart", "is_current": name == range_name}
            for name, (label, _) in RANGES.items()
        ],
        "measures": [
            {"label": measure_label(one), "url": f"?measure={one}&range={range_name}#chart", "is_current": one == field}
            for one in fields
        ],
    }


def _last_part(points: Sequence[tuple[datetime, float]], span: timedelta | None) -> list[tuple[datetime, float]]:
    if span is None or not points:
        return list(points)
    start = points[-1][0] - span
    return [point for point in points if point[0] >= start]


def _gap_seconds(points: Sequence[tuple[datetime, float]]) -> float:
    """Slices are equally wide and empty ones are left out: two and a half times the least distance is a gap."""
    steps = [(after[0] - before[0]).total_seconds() for before, after in pairwise(points)]
    return 2.5 * min(steps, default=3600.0)
