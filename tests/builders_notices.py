"""Facts of each kind of notice, and notices made of them."""

from datetime import datetime
from uuid import UUID

from marketplace.accounts.models import User
from marketplace.notices.kinds import FACTS_OF_KIND, NoticeKind
from marketplace.notices.models import Notice
from marketplace.notices.services import notify

SOME_ID = UUID("6f1c8a52-9d0e-4c7b-8a41-2b6d3e5f7081")
VALUES: dict[str, str | int] = {
    **dict.fromkeys(("purchase", "listing", "plan", "payout", "consent", "device", "endpoint"), str(SOME_ID)),
    **dict.fromkeys(("price_micros", "new_micros"), 12_500_000),
    "old_micros": 10_000_000,
    "refund_micros": 3_250_000,
    "amount_micros": 41_000_000,
    "days": 30,
    "until": "2026-04-01T00:00:00+00:00",
    "delete_by": "2026-04-14T00:00:00+00:00",
    "currency": "EUR",
    "sold_as": "paid",
    "title": "Power of a rooftop in Graz",
    "reason": "declined",
    "step": "opened",
    "state": "paid",
    "change": "narrowed",
    "host": "hooks.example",
}


def facts_of(kind: NoticeKind, **changes: str | int) -> dict[str, str | int]:
    return {name: VALUES[name] for name in FACTS_OF_KIND[kind]} | changes


def tell(user: User, kind: NoticeKind, at: datetime, **changes: str | int) -> Notice:
    notify(user=user, kind=kind, facts=facts_of(kind, **changes), at=at, reference=SOME_ID)
    return Notice.objects.for_person(user).latest("id")
