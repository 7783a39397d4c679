"""Who may read and who did: what owners and buyers are shown of purchases, a page of them in few queries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, DecimalField, ExpressionWrapper, F, Max, Q, Sum, Value
from django.db.models.functions import Cast, Coalesce, Floor, NullIf

from marketplace.delivery.models import Read
from marketplace.purchases.models import Purchase

_EXACT = DecimalField(max_digits=40, decimal_places=10)
_HELD = Cast(F("price_micros") - F("released_micros") - F("refunded_micros"), _EXACT)
# Of a free purchase nothing is held.
_PRICE = NullIf(Cast("price_micros", _EXACT), Value(0, output_field=_EXACT))
_SELLER_SHARE_HELD = ExpressionWrapper(_HELD * Cast("seller_micros", _EXACT) / _PRICE, output_field=_EXACT)


@dataclass(frozen=True)
class ReadTotals:
    """last_at: None where nothing was read."""

    read_count: int = 0
    row_count: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True)
class AccessFacts:
    """What came of one purchase, its renewals and bills included.

    until: when access ends by itself; ended: why it ended before, as a code, or "over" where its time is over; empty
    while the data can be read. paid_micros: refunds taken off. earned_micros: what the seller has of it by now.
    held_micros: what the seller gets of the rest unless it goes back, to the micro below.
    """

    until: datetime
    ended: str
    reads: ReadTotals
    paid_micros: int
    earned_micros: int
    held_micros: int


def access_facts(purchases: Sequence[Purchase], at: datetime) -> dict[int, AccessFacts]:
    """By primary key, each purchase with its listing and consent at hand. A renewal has what its whole series has."""
    keys = {purchase.continues_id or purchase.pk for purchase in purchases}
    reads = _reads_of(keys)
    series = Purchase.objects.filter(Q(pk__in=keys) | Q(continues__in=keys)).order_by()
    by_first = series.annotate(first=Coalesce("continues_id", "pk")).values("first")
    sums = {
        row["first"]: row
        for row in by_first.annotate(
            until=Max("access_until", filter=Q(ended_at=None) | Q(continues=None)),
            paid=Sum(F("price_micros") - F("refunded_micros")),
            earned=Sum("released_seller_micros"),
            held=Floor(Sum(_SELLER_SHARE_HELD)),
        )
    }
    facts = {}
    for purchase in purchases:
        first = purchase.continues_id or purchase.pk
        until = min(sums[first]["until"], purchase.listing.consent.valid_until)
        facts[purchase.pk] = AccessFacts(
            until=until,
            ended=_ended(purchase, until, at),
            reads=reads.get(first, ReadTotals()),
            paid_micros=sums[first]["paid"],
            earned_micros=sums[first]["earned"],
            held_micros=int(sums[first]["held"] or 0),
        )
    return facts


def _reads_of(keys: Collection[int]) -> dict[int, ReadTotals]:
    rows = Read.objects.filter(purchase__in=keys).order_by().values("purchase")
    found = rows.values_list("purchase", Count("pk"), Sum("row_count"), Max("at"))
    return {key: ReadTotals(*totals) for key, *totals in found}


def _ended(purchase: Purchase, until: datetime, at: datetime) -> str:
    listing = purchase.listing
    if listing.consent.withdrawn_at is not None:
        return "consent_withdrawn"
    if listing.withdrawn_at is not None:
        return "listing_withdrawn"
    if purchase.ended_at is not None:
        return "given_back"
    return "over" if at >= until else ""
