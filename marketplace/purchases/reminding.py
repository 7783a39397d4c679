"""Tell buyers in time that their access ends."""

from datetime import datetime, timedelta

from django.db.models import F, Q

from ledger.entries import at_text
from marketplace.listings.models import Plan
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.models import Purchase

AHEAD = timedelta(days=7)
# Who bought for a few days only knows when that ends.
SHORTEST = timedelta(days=14)
_BATCH = 1000


def remind_of_ends(*, at: datetime) -> int:
    """Tell each buyer whose access ends within AHEAD, once for each end. Returns how many purchases it looked at."""
    ending = (
        Purchase.objects.filter(
            # Neither what goes on nor a month's bill; of what was renewed, the last term.
            Q(continues=None) | Q(plan__kind=Plan.Kind.PERIOD, continues__is_renewing=False),
            is_renewing=False,
            access_until__gt=at,
            access_until__lte=at + AHEAD,
            ended_at=None,
            listing__withdrawn_at=None,
            listing__consent__withdrawn_at=None,
        )
        .exclude(plan__is_renewing=True, followers__window_until__gt=F("window_until"))
        .select_related("buyer", "listing", "continues")
        .order_by("pk")
    )
    seen = 0
    drafts: list[NoticeDraft] = []
    for purchase in ending.iterator(chunk_size=_BATCH):
        seen += 1
        if purchase.access_until - purchase.purchased_at >= SHORTEST:
            drafts.append(_draft(purchase, at))
        if len(drafts) == _BATCH:
            notify_many(drafts)
            drafts.clear()
    notify_many(drafts)
    return seen


def _draft(purchase: Purchase, at: datetime) -> NoticeDraft:
    until = at_text(purchase.access_until)
    page = purchase.continues or purchase
    facts = {"purchase": str(page.public_id), "title": purchase.listing.title, "until": until}
    once = f"{purchase.public_id} {until}"
    return NoticeDraft(purchase.buyer, NoticeKind.EXPIRY, facts, at, purchase.public_id, once)
