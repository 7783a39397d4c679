"""What of a purchase goes on, and what it costs so far: renewal, use, the own cap."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import usage_now
from marketplace.web.formats import money_text
from marketplace.web.plan_words import price_sentence
from marketplace.web.wording import term_text


def running_context(purchase: Purchase, at: datetime, *, is_over: bool) -> dict[str, Any]:
    """is_over: nothing can be loaded under it any more. Empty texts where a kind of plan has nothing to say."""
    plan, term = purchase.plan, purchase.last_term()
    usage = None if is_over else usage_now(purchase, at)
    return {
        "term": term,
        "clock_text": _clock_text(purchase),
        "can_renew": plan.is_renewing and not is_over and at < term.window_until,
        "renewal_text": price_sentence(term.plan.latest_version()) if plan.is_renewing else "",
        "followers": list(purchase.followers.select_related("plan")[:12]),
        "usage": usage,
        "usage_most": _most(purchase, usage.terms.cap_micros) if usage else None,
        "trial_rows": plan.trial_rows,
        "trial_left": plan.trial_rows - purchase.row_count if plan.trial_rows else None,
        "charged_text": money_text(usage.bill.charge_micros, purchase.currency) if usage else "",
    }


def _clock_text(purchase: Purchase) -> str:
    if purchase.plan.kind != Plan.Kind.PERIOD or purchase.clock_started_at is not None:
        return ""
    term = term_text(purchase.plan.period_seconds or 0)
    return f"The {term} are counted from your first load, or from a week after the purchase."


def _most(purchase: Purchase, plan_cap: int | None) -> int | None:
    """The lower of the two caps, for the bar."""
    return min((cap for cap in (purchase.own_cap_micros, plan_cap) if cap is not None), default=None)
