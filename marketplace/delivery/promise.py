"""What a sale promises: that there is something to load within the promised time. What never came is paid back."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import DurationField, Exists, ExpressionWrapper, F, OuterRef, QuerySet, Value
from django.db.models.functions import Coalesce

from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.errors import MarketError
from marketplace.listings.models import LONG_AGO
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import refund_undelivered

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 500


def delivery_promise() -> timedelta:
    return timedelta(days=settings.DELIVERY_PROMISE_DAYS)


def undelivered_at(at: datetime) -> QuerySet[Purchase]:
    """Purchases that hold money, of which nothing was loaded, and in whose window nothing lies though it is time.

    The delay that the owner set comes on top of the promised time.
    """
    delay = ExpressionWrapper(
        F("listing__consent__delay_seconds") * Value(timedelta(seconds=1)), output_field=DurationField()
    )
    inside = Segment.objects.current().filter(
        table__listing=OuterRef("listing"),
        table__name=DeliveryTable.Name.READINGS,
        row_count__gt=0,
        first_at__lt=OuterRef("window_until"),
        last_at__gte=Coalesce(OuterRef("window_from"), Value(LONG_AGO)),
    )
    return (
        Purchase.objects.holding()
        .filter(buyer__erased_at=None, clock_started_at=None, ended_at=None, disputed_at=None, released_micros=0)
        .filter(purchased_at__lte=Value(at - delivery_promise()) - delay)
        .exclude(Exists(inside))
    )


def refund_what_never_came(*, at: datetime) -> int:
    """Pay back every purchase for which nothing came in the promised time. Returns how many were."""
    count = 0
    for purchase in undelivered_at(at).select_related("buyer", "listing").order_by("pk")[:MOST_AT_ONCE]:
        try:
            refund = refund_undelivered(purchase=purchase, at=at)
        except MarketError as error:
            # One buyer who left meanwhile holds up nobody else's money.
            logger.warning("purchase.not_refunded", extra={"purchase_id": purchase.public_id, "code": error.code})
            continue
        if refund is not None:
            count += 1
            logger.info("purchase.not_delivered", extra={"purchase_id": purchase.public_id})
    return count
