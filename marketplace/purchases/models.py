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
from marketplace.purchases.tax import TAXED, UNTAXED, Treatment
from marketplace.wallet.models import TopUp, Transfer

if TYPE_CHECKING:
    from marketplace.accounts.models import User


@dataclass(frozen=True)
class MonthlySales:
    """What one listing sold in one month. month: its first instant, UTC.

    paid_micros = all_refunded_micros + on_hold_micros + earned_micros + what the market kept: its fee, the tax that it
    owes, and rounding.
    """

    month: datetime
    listing_id: uuid.UUID
    title: str
    currency: str
    sale_count: int
    paid_micros: int
    all_refunded_micros: int
    on_hold_micros: int
    charged_fee_micros: int
    charged_tax_micros: int
    earned_micros: int


# What each sum is called is not what a column is called, or Django would take it for the column in the sums after it.
SALE_SUMS = {
    "sale_count": Count("pk"),
    "paid_micros": Sum("price_micros"),
    "all_refunded_micros": Sum("refunded_micros"),
    "on_hold_micros": Sum(F("price_micros") - F("released_micros") - F("refunded_micros")),
    "charged_fee_micros": Sum("released_fee_micros"),
    "charged_tax_micros": Sum("released_tax_micros"),
    "earned_micros": Sum("released_seller_micros"),
}


class PurchaseQuerySet(models.QuerySet["Purchase"]):
    def for_buyer(self, user: User) -> Self:
        return self.filter(buyer=user)

    def of_seller(self, user: User) -> Self:
        return self.filter(listing__seller=user)

    def recorded(self) -> Self:
        """Those whose record is in a signed checkpoint of the log."""
        return self.filter(Exists(Entry.objects.filter(entry_id=OuterRef("entry_id"))))

    def active_at(self, at: datetime) -> Self:
        is_not_ended = Q(ended_at=None) | Q(ended_at__gt=at)
        return self.filter(is_not_ended, purchased_at__lte=at, access_until__gt=at)

    def readable_at(self, at: datetime) -> Self:
        """Those whose data can be read, renewals included; only the beginnings of series."""
        renewals = Purchase.objects.filter(continues=OuterRef("pk"), ended_at=None, access_until__gt=at)
        return self.begun().filter(
            Q(access_until__gt=at) | Exists(renewals),
            ended_at=None,
            listing__withdrawn_at=None,
            listing__consent__withdrawn_at=None,
            listing__consent__valid_until__gt=at,
        )

    def holding(self) -> Self:
        """Those of whose price something is neither earned nor refunded yet."""
        return self.filter(price_micros__gt=F("released_micros") + F("refunded_micros"))

    def begun(self) -> Self:
        """What people bought: neither renewals of it nor bills for its use."""
        return self.filter(continues=None)

    def taken(self, plan: Plan, at: datetime) -> Self:
        """Those of a plan that a buyer has one of at a time and whose access lasts, in whatever version."""
        return self.begun().filter(listing=plan.listing, plan__kind=plan.kind, access_until__gt=at, ended_at=None)

    def trials(self, listing: Listing) -> Self:
        return self.filter(listing=listing, is_trial=True)

    def totals(self) -> dict[str, int]:
        """Sum up: the names of SALE_SUMS. All zero where nothing was sold."""
        sums: dict[str, int | None] = self.aggregate(**SALE_SUMS)
        return {name: total or 0 for name, total in sums.items()}

    def monthly_sales(self) -> list[MonthlySales]:
        """Sum up each listing's sales by UTC month, newest month first."""
        rows = (
            self.annotate(month=TruncMonth("purchased_at", tzinfo=UTC))
            .values("month", "listing__public_id", "listing__title", "currency")
            .annotate(**SALE_SUMS)
            .order_by("-month", "listing__title", "listing__public_id")
            .values_list("month", "listing__public_id", "listing__title", "currency", *SALE_SUMS)
        )
        return [MonthlySales(*row) for row in rows]


class Purchase(models.Model):
    """One sale: what was paid, which window of the data it opens, and what became of the money.

    price_micros is what the buyer paid; seller_micros, fee_micros and tax_micros are its parts if all of it is earned,
    and what is left of it (0 or 1 cent or micro) goes to the rounding account. tax_treatment, tax_country and
    tax_basis_points say which tax it is; see purchases/tax.py. window_from is None when the purchase opens the whole
    history; window_until is exclusive.

    The price is in the seller's escrow until it is released (earned) or refunded; see purchases/escrow.py.
    released_seller_micros, released_fee_micros and released_tax_micros say to whom it was released, the rest is
    rounding; release_due_at is when the worker looks again. clock_started_at: the first successful delivery. Purchases
    of before there was an escrow are all released.
    ended_at: when a refund or a decision ended the access. disputed_at: since when the money waits for a decision.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="purchases")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="purchases")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="purchases")
    price_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    seller_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField(default=0)
    tax_basis_points = models.PositiveIntegerField(default=0)
    tax_treatment = models.CharField(
        max_length=16, choices=[(one.value, one.value) for one in Treatment], default=Treatment.NOT_CHARGED.value
    )
    tax_country = models.CharField(max_length=2, blank=True)
    currency = models.CharField(max_length=3)
    purchased_at = models.DateTimeField()
    window_from = models.DateTimeField(null=True)
    window_until = models.DateTimeField()
    access_until = models.DateTimeField()
    transfer = models.OneToOneField(Transfer, models.PROTECT, null=True)
    entry_id = models.UUIDField(unique=True)
    idempotency_key = models.UUIDField(null=True)
    released_micros = models.BigIntegerField(default=0)
    released_seller_micros = models.BigIntegerField(default=0)
    released_fee_micros = models.BigIntegerField(default=0)
    released_tax_micros = models.BigIntegerField(default=0)
    refunded_micros = models.BigIntegerField(default=0)
    release_due_at = models.DateTimeField(null=True)
    clock_started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    disputed_at = models.DateTimeField(null=True)

    continues = models.ForeignKey("self", models.PROTECT, null=True, related_name="followers")
    row_count = models.BigIntegerField(default=0)
    is_trial = models.BooleanField(default=False)
    is_renewing = models.BooleanField(default=False)
    renewal_told_at = models.DateTimeField(null=True)
    own_cap_micros = models.BigIntegerField(null=True)

    objects = PurchaseQuerySet.as_manager()

    class Meta:
        ordering = ["-purchased_at", "-id"]
        indexes = [
            models.Index(fields=["window_until"], condition=Q(is_renewing=True), name="purchase_renewing"),
            models.Index(fields=["release_due_at"], condition=Q(release_due_at__isnull=False), name="purchase_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["buyer", "idempotency_key"], name="purchase_once_per_key"),
            models.CheckConstraint(
                condition=Q(price_micros=0, transfer=None) | Q(price_micros__gt=0, transfer__isnull=False),
                name="purchase_is_paid",
            ),
            models.CheckConstraint(
                condition=Q(fee_micros__gte=0, seller_micros__gte=0, tax_micros__gte=0)
                & Q(price_micros__gte=F("fee_micros") + F("seller_micros") + F("tax_micros")),
                name="purchase_parts_fit",
            ),
            models.CheckConstraint(
                condition=Q(tax_treatment__in=TAXED, tax_basis_points__gt=0)
                | Q(tax_treatment__in=UNTAXED, tax_basis_points=0, tax_micros=0),
                name="purchase_tax_fits",
            ),
            models.CheckConstraint(
                condition=Q(
                    released_seller_micros__gte=0,
                    released_fee_micros__gte=0,
                    released_tax_micros__gte=0,
                    refunded_micros__gte=0,
                    released_micros__gte=F("released_seller_micros")
                    + F("released_fee_micros")
                    + F("released_tax_micros"),
                    price_micros__gte=F("released_micros") + F("refunded_micros"),
                ),
                name="purchase_money_fits",
            ),
            models.CheckConstraint(
                condition=Q(window_from=None) | Q(window_until__gt=F("window_from")), name="purchase_window_fits"
            ),
            models.UniqueConstraint(
                fields=["buyer", "listing"], condition=Q(is_trial=True), name="purchase_one_trial_a_listing"
            ),
            models.UniqueConstraint(
                fields=["continues", "window_from"], condition=Q(continues__isnull=False), name="purchase_renewed_once"
            ),
            models.CheckConstraint(
                condition=Q(row_count__gte=0) & (Q(own_cap_micros=None) | Q(own_cap_micros__gte=0)),
                name="purchase_use_fits",
            ),
        ]

    def __str__(self) -> str:
        return f"Purchase {self.public_id}"

    def is_active(self, at: datetime) -> bool:
        return self.purchased_at <= at < self.access_until and (self.ended_at is None or at < self.ended_at)

    @property
    def held_micros(self) -> int:
        return self.price_micros - self.released_micros - self.refunded_micros

    def last_term(self) -> Purchase:
        """The newest renewal, or the purchase itself. Costs a query where the plan renews."""
        if not self.plan.is_renewing:
            return self
        # All of them, for who asks about many purchases at once has fetched them with one query for all.
        renewals = (one for one in self.followers.all() if one.ended_at is None)
        return max(renewals, key=lambda one: one.window_until, default=self)


class Order(models.Model):
    """A purchase whose money is on its way from the payment provider: bought as soon as the top-up is paid.

    refused_code: why it was not bought when the money came, or that none came; the money is in the wallet then.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="orders")
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="+")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="+")
    quoted_micros = models.BigIntegerField()
    top_up = models.OneToOneField(TopUp, models.PROTECT, related_name="order")
    ordered_at = models.DateTimeField()
    purchase = models.OneToOneField(Purchase, models.PROTECT, null=True, related_name="order")
    refused_code = models.CharField(max_length=64, blank=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-ordered_at", "-id"]
        indexes = [models.Index(fields=["top_up"], condition=Q(settled_at=None), name="order_open")]
        constraints = [
            models.CheckConstraint(
                condition=Q(settled_at=None, purchase=None, refused_code="")
                | Q(settled_at__isnull=False, purchase__isnull=False, refused_code="")
                | (Q(settled_at__isnull=False, purchase=None) & ~Q(refused_code="")),
                name="order_is_settled_whole",
            ),
            models.CheckConstraint(condition=Q(quoted_micros__gt=0), name="order_has_a_price"),
        ]

    def __str__(self) -> str:
        return f"Order {self.public_id}"


class PurchaseChange(models.Model):
    """What became of a purchase after the sale, each with its entry in the log."""

    class Kind(models.TextChoices):
        STARTED = "started", "The period's clock started"
        RENEWAL_ON = "renewal_on", "Renewal switched on"
        RENEWAL_OFF = "renewal_off", "Renewal switched off"
        LAPSED = "lapsed", "Not renewed"
        CAP_SET = "cap_set", "Own monthly cap set"
        STOPPED = "stopped", "Stopped by the buyer"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=16, choices=Kind)
    at = models.DateTimeField()
    cap_micros = models.BigIntegerField(null=True)
    window_until = models.DateTimeField(null=True)
    entry_id = models.UUIDField(unique=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class UsageMonth(models.Model):
    """What was read of a metered purchase in one calendar month (UTC), under the plan's terms of that month.

    The first starts at the purchase. bill: what was charged for it; None while it is open, or when it cost nothing.
    """

    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="usage_months")
    plan = models.ForeignKey(Plan, models.PROTECT, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    row_count = models.BigIntegerField(default=0)
    billed_at = models.DateTimeField(null=True)
    bill = models.OneToOneField(Purchase, models.PROTECT, null=True, related_name="billed_month")
    payment_failed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-starts_at"]
        indexes = [models.Index(fields=["ends_at"], condition=Q(billed_at=None), name="usage_open")]
        constraints = [
            models.UniqueConstraint(fields=["purchase", "ends_at"], name="usage_month_once"),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at"), row_count__gte=0), name="usage_month_fits"),
        ]

    def __str__(self) -> str:
        return f"{self.row_count} rows from {self.starts_at}"


class Refund(models.Model):
    """Money that went back to a buyer from the seller's escrow. The credit note is made from it."""

    class Reason(models.TextChoices):
        CONSENT_WITHDRAWN = "consent_withdrawn", "The owner withdrew the consent"
        LISTING_WITHDRAWN = "listing_withdrawn", "The owner withdrew the listing"
        ON_REQUEST = "on_request", "The buyer gave it back before loading anything"
        CONSENT_NARROWED = "consent_narrowed", "The owner narrowed the consent"
        NOT_DELIVERED = "not_delivered", "No data came in the promised time"
        DISPUTE_DECIDED = "dispute_decided", "A dispute was decided"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="refunds")
    amount_micros = models.BigIntegerField()
    reason = models.CharField(max_length=32, choices=Reason)
    at = models.DateTimeField()
    transfer = models.OneToOneField(Transfer, models.PROTECT)
    entry_id = models.UUIDField(unique=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.CheckConstraint(condition=Q(amount_micros__gt=0), name="refund_is_positive")]

    def __str__(self) -> str:
        return f"Refund {self.public_id}"


class BooksCheck(models.Model):
    """One look at all books. findings: what did not hold; see purchases/books.py."""

    at = models.DateTimeField()
    transfer_count = models.BigIntegerField()
    finding_count = models.PositiveSmallIntegerField()
    findings = models.JSONField(default=list)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "check of the books"
        verbose_name_plural = "checks of the books"

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"
