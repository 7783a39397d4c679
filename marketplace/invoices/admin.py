"""Operators look at issued documents and at what was known of the place of who got them. Nothing can be changed."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.invoices.models import PREFIX_BY_SERIES, Invoice, InvoiceLine
from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines

_FULL_NUMBER = re.compile(r"([A-Z]{2,3})-(\d{4})-(\d{1,9})")


class InvoiceLines(ReadOnlyLines):
    model = InvoiceLine
    fields = ("position", "text", "net_micros", "tax_micros", "fee_micros", "total_micros")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = (
        "full_number",
        "series",
        "recipient",
        "recipient_name",
        "total_micros",
        "tax_micros",
        "tax_treatment",
        "issued_at",
        "file",
    )
    list_filter = ("series", "year", "tax_treatment", "currency")
    list_select_related = ("recipient",)
    date_hierarchy = "issued_at"
    search_fields = ("=public_id", "=purchase__public_id", "recipient__email", "recipient_name", "=recipient_vat_id")
    search_help_text = "A number such as INV-2026-000012, an e-mail address, a name, a VAT id, or a purchase’s id"
    inlines = (InvoiceLines,)
    # The numbers are given out in this order, and it has an index.
    ordering = ("-pk",)
    readonly_fields = ("full_number", "place_evidence", "file")
    fieldsets = (
        (None, {"fields": ("full_number", "series", "issued_at", "supplied_at", "period_from", "file")}),
        ("What it is about", {"fields": ("public_id", "purchase", "refund", "corrects")}),
        ("Money", {"fields": ("currency", "net_micros", "tax_micros", "fee_micros", "total_micros")}),
        ("VAT", {"fields": ("tax_treatment", "tax_country", "tax_basis_points", "place_evidence")}),
        (
            "To",
            {
                "fields": (
                    "recipient",
                    "recipient_name",
                    "recipient_address",
                    "recipient_country",
                    "recipient_vat_id",
                )
            },
        ),
        ("From", {"fields": ("issuer_name", "issuer_address", "issuer_country", "issuer_vat_id")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Invoice], search_term: str
    ) -> tuple[QuerySet[Invoice], bool]:
        """A full number is one document; everything else is searched for as usual."""
        number = by_full_number(search_term)
        if number is not None:
            return queryset.filter(number), False
        found: tuple[QuerySet[Invoice], bool] = super().get_search_results(request, queryset, search_term)
        return found

    @admin.display(description="Number", ordering="pk")
    def full_number(self, invoice: Invoice) -> str:
        return invoice.full_number

    @admin.display(description="PDF")
    def file(self, invoice: Invoice) -> SafeString:
        address = reverse("invoice_file", args=[invoice.public_id])
        return format_html('<a href="{}" aria-label="PDF of {}" download>PDF</a>', address, invoice)

    @admin.display(description="What was known of the place when it was issued")
    def place_evidence(self, invoice: Invoice) -> SafeString | str:
        if not invoice.evidence:
            return "Nothing: the recipient had declared no place."
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}: {}</li>", _facts(invoice)))


def by_full_number(text: str) -> Q | None:
    """The document that the text is the number of; None for any other text."""
    found = _FULL_NUMBER.fullmatch(text.strip().upper())
    if found is None:
        return None
    series = [one for one, prefix in PREFIX_BY_SERIES.items() if prefix == found[1]]
    return Q(series__in=series, year=int(found[2]), number=int(found[3]))


def _facts(invoice: Invoice) -> list[tuple[Any, Any]]:
    return [(fact, source) for fact, source in invoice.evidence]
