"""Four figures of the whole market, for the landing page. Counted at most every 15 seconds, whoever asks."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db.models import Sum

from devices.models import Batch, Device
from ledger.models import LogHead
from marketplace.purchases.models import Purchase

_KEY = "web:market-figures"
_SECONDS = 15
_DAYS_SHOWN = 14


@dataclass(frozen=True)
class MarketFigures:
    """paid_micros: what owners received, all time. readings_by_day: the last 14 UTC days, today last."""

    device_count: int
    readings_today: int
    readings_by_day: list[int]
    paid_micros: int
    entry_count: int

    @property
    def has_trend(self) -> bool:
        """Whether readings came on more than one day: a line through a single one is flat and tells nothing."""
        return sum(count > 0 for count in self.readings_by_day) > 1


def market_figures(at: datetime) -> MarketFigures:
    found = cache.get(_KEY)
    if not isinstance(found, MarketFigures):
        found = count_figures(at)
        cache.set(_KEY, found, _SECONDS)
    return found


def count_figures(at: datetime) -> MarketFigures:
    by_day = readings_by_day(at)
    return MarketFigures(
        device_count=Device.objects.enrolled().count(),
        readings_today=by_day[-1],
        readings_by_day=by_day,
        paid_micros=Purchase.objects.aggregate(total=Sum("released_seller_micros"))["total"] or 0,
        entry_count=LogHead.objects.values_list("size", flat=True).first() or 0,
    )


def readings_by_day(at: datetime) -> list[int]:
    today = at.astimezone(UTC).date()
    first = today - timedelta(days=_DAYS_SHOWN - 1)
    received = Batch.objects.filter(received_at__gte=datetime(first.year, first.month, first.day, tzinfo=UTC))
    counts = dict(received.values_list("received_at__date").annotate(total=Sum("reading_count")).order_by())
    return [counts.get(first + timedelta(days=place), 0) for place in range(_DAYS_SHOWN)]
