from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.tax import Tax, Treatment

if TYPE_CHECKING:
    from marketplace.accounts.models import User

PREFIX_BY_SERIES = {"invoice": "INV", "credit_note": "CN", "settlement": "SET"}


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def for_buyer(self, user: User) -> Self:
        return self.filter(recipient=user).exclude(series=Invoice.Series.SETTLEMENT)

    def for_seller(self, user: User) -> Self:
        return self.filter(recipient=user, series=Invoice.Series.SETTLEMENT)

    def seen_by(self, user: User) -> Self:
        """A person's own; all of them for staff who may look at invoices."""
        if user.is_staff and user.has_perm("invoices.view_invoice"):
            return self
        return self.filter(recipient=user)


class Invoice(models.Model):
    """One document, numbered without gaps within its series and year. Only ever inserted, complete as it is.

    invoice: what a buyer paid; total = net + tax. credit_note: what of it went back, with corrects. settlement: what
    was released to a seller in a month; net is what buyers paid without tax, and total = net - fee. All amounts are
    zero or above. Who issued it to whom is frozen here; a recipient who declared nothing is nameless.
    """

    class Series(models.TextChoices):
        INVOICE = "invoice", "Invoice"
        CREDIT_NOTE = "credit_note", "Credit note"
        SETTLEMENT = "settlement", "Settlement"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    series = models.CharField(max_length=16, choices=Series)
    year = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    issued_at = models.DateTimeField()
    supplied_at = models.DateTimeField()
    period_from = models.DateTimeField(null=True)
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="invoices")
    purchase = models.ForeignKey(Purchase, models.PROTECT, null=True, related_name="invoices")
    refund = models.OneToOneField(Refund, models.PROTECT, null=True, related_name="credit_note")
    corrects = models.ForeignKey("self", models.PROTECT, null=True, related_name="credit_notes")
    currency = models.CharField(max_length=3)
    net_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField(default=0)
    total_micros = models.BigIntegerField()
    tax_basis_points = models.PositiveIntegerField(default=0)
    tax_treatment = models.CharField(max_length=16)
    tax_country = models.CharField(max_length=2, blank=True)
    evidence = models.JSONField(default=list)
    issuer_name = models.CharField(max_length=200)
    issuer_address = models.CharField(max_length=400)
    issuer_country = models.CharField(max_length=2)
    issuer_vat_id = models.CharField(max_length=20, blank=True)
    recipient_name = models.CharField(max_length=120, blank=True)
    recipient_address = models.CharField(max_length=400, blank=True)
    recipient_country = models.CharField(max_length=2, blank=True)
    recipient_vat_id = models.CharField(max_length=20, blank=True)

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        ordering = ["-issued_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["series", "year", "number"], name="invoice_number_once"),
            models.UniqueConstraint(fields=["purchase"], condition=Q(series="invoice"), name="invoice_once_a_purchase"),
            models.UniqueConstraint(
                fields=["recipient", "period_from"], condition=Q(series="settlement"), name="settlement_once_a_month"
            ),
            models.CheckConstraint(
                condition=Q(series="invoice", purchase__isnull=False, refund=None, corrects=None, period_from=None)
                | Q(series="credit_note", purchase__isnull=False, refund__isnull=False, corrects__isnull=False)
                | Q(series="settlement", purchase=None, refund=None, corrects=None, period_from__isnull=False),
                name="invoice_refers_by_series",
            ),
            models.CheckConstraint(
                condition=Q(series="settlement", total_micros=F("net_micros") - F("fee_micros"))
                | (~Q(series="settlement") & Q(fee_micros=0, total_micros=F("net_micros") + F("tax_micros"))),
                name="invoice_sums_up",
            ),
            models.CheckConstraint(
                condition=Q(number__gt=0, net_micros__gte=0, tax_micros__gte=0, fee_micros__gte=0, total_micros__gte=0),
                name="invoice_amounts_fit",
            ),
        ]

    def __str__(self) -> str:
        return self.full_number

    @property
    def full_number(self) -> str:
        return f"{PREFIX_BY_SERIES[self.series]}-{self.year}-{self.number:06d}"

    @property
    def tax(self) -> Tax:
        return Tax(Treatment(self.tax_treatment), self.tax_basis_points, self.tax_country)


class InvoiceLine(models.Model):
    """What one line is for. Its amounts add up to the document's."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    position = models.PositiveIntegerField()
    text = models.CharField(max_length=400)
    net_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField(default=0)
    total_micros = models.BigIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoice_line_once")]

    def __str__(self) -> str:
        return self.text


class DueDocument(models.Model):
    """A paid purchase that has no invoice yet, or a refund without credit note. Triggers note them as they are made.

    Looking for what has none among all that was ever sold would take longer each day.
    """

    purchase = models.OneToOneField(Purchase, models.CASCADE, null=True, related_name="+", db_constraint=False)
    refund = models.OneToOneField(Refund, models.CASCADE, null=True, related_name="+", db_constraint=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(purchase__isnull=False, refund=None) | Q(purchase=None, refund__isnull=False),
                name="due_document_is_for_one",
            )
        ]

    def __str__(self) -> str:
        return f"Due for purchase {self.purchase_id}" if self.purchase_id else f"Due for refund {self.refund_id}"
