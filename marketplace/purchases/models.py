from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Sum
from django.db.models.functions import TruncMonth

from ledger.models import Entry
from marketplace.listings.models import Listing, Plan
from marketplace.wallet.models import Transfer

if TYPE_CHECKING:
    from marketplace.accounts.models import User


@dataclass(frozen=True)
class MonthlySales:
    """What one listing earned in one month. month: its first instant, UTC."""

    month: datetime
    listing_id: uuid.UUID
    title: str
    currency: str
    sale_count: int
    paid_micros: int
    charged_fee_micros: int
    earned_micros: int


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    def for_buyer(self, user: User) -> Self:
        return self.filter(buyer=user)

    def of_seller(self, user: User) -> Self:
        return self.filter(listing__seller=user)

    def recorded(self) -> Self:
        """Those whose record is in a signed checkpoint of the log."""
        return self.filter(Exists(Entry.objects.filter(entry_id=OuterRef("entry_id"))))

    def active_at(self, at: datetime) -> Self:
        return self.filter(purchased_at__lte=at, access_until__gt=at)

    def taken_free(self, plan: Plan, at: datetime) -> Self:
        """Those of a free plan whose access lasts; a buyer has one at most, for each is an entry in the log."""
        return self.filter(plan=plan, price_micros=0, access_until__gt=at)

    def totals(self) -> dict[str, int]:
        """Sum up: sale_count, paid_micros, charged_fee_micros, earned_micros. All zero where nothing was sold."""
        sums: dict[str, int | None] = self.aggregate(
            sale_count=Count("pk"),
            paid_micros=Sum("price_micros"),
            charged_fee_micros=Sum("fee_micros"),
            earned_micros=Sum("seller_micros"),
        )
        return {name: total or 0 for name, total in sums.items()}

    def monthly_sales(self) -> list[MonthlySales]:
        """Sum up each listing's sales by UTC month, newest month first."""
        rows = (
            self.annotate(month=TruncMonth("purchased_at", tzinfo=UTC))
            .values_list("month", "listing__public_id", "listing__title", "currency")
            .annotate(Count("pk"), Sum("price_micros"), Sum("fee_micros"), Sum("seller_micros"))
            .order_by("-month", "listing__title", "listing__public_id")
        )
        return [MonthlySales(*row) for row in rows]


class Purchase(models.Model):
    """One sale: what was paid and which window of the data it opens.

    price_micros is what the buyer paid; seller_micros and fee_micros are its parts, and what is left of it (0 or 1
    micro) went to the rounding account. window_from is None when the purchase opens the whole history; window_until is
    exclusive.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="purchases")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="purchases")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="purchases")
    price_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    seller_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    purchased_at = models.DateTimeField()
    window_from = models.DateTimeField(null=True)
    window_until = models.DateTimeField()
    access_until = models.DateTimeField()
    transfer = models.OneToOneField(Transfer, models.PROTECT, null=True)
    entry_id = models.UUIDField(unique=True)
    idempotency_key = models.UUIDField(null=True)

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        ordering = ["-purchased_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["buyer", "idempotency_key"], name="purchase_once_per_key"),
            models.CheckConstraint(
                condition=Q(price_micros=0, transfer=None) | Q(price_micros__gt=0, transfer__isnull=False),
                name="purchase_is_paid",
            ),
            models.CheckConstraint(
                condition=Q(fee_micros__gte=0, seller_micros__gte=0)
                & Q(price_micros__gte=F("fee_micros") + F("seller_micros")),
                name="purchase_parts_fit",
            ),
            models.CheckConstraint(
                condition=Q(window_from=None) | Q(window_until__gt=F("window_from")), name="purchase_window_fits"
            ),
        ]

    def __str__(self) -> str:
        return f"Purchase {self.public_id}"

    def is_active(self, at: datetime) -> bool:
        return self.purchased_at <= at < self.access_until
