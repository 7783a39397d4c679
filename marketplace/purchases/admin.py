from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.purchases.models import BooksCheck, Purchase, Refund
from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines


class RefundLines(ReadOnlyLines):
    model = Refund
    fields = ("amount_micros", "reason", "at")


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    list_display = (
        "public_id",
        "listing",
        "buyer",
        "price_micros",
        "held",
        "refunded_micros",
        "currency",
        "purchased_at",
    )
    list_filter = ("plan__kind", "currency")
    list_select_related = ("listing", "buyer")
    date_hierarchy = "purchased_at"
    search_fields = ("=public_id", "=entry_id", "=listing__public_id", "buyer__email", "listing__title")
    inlines = (RefundLines,)

    @admin.display(description="On hold, micros")
    def held(self, purchase: Purchase) -> int:
        return purchase.held_micros


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "purchase", "amount_micros", "reason", "at")
    list_filter = ("reason",)
    list_select_related = ("purchase",)
    date_hierarchy = "at"
    search_fields = ("=public_id", "=entry_id", "=purchase__public_id")


@admin.register(BooksCheck)
class BooksCheckAdmin(ReadOnlyAdmin):
    """Each night the books are looked at; here is what was found."""

    list_display = ("at", "is_right", "transfer_count", "finding_count")
    date_hierarchy = "at"
    fields = ("at", "is_right", "transfer_count", "what_differs")
    readonly_fields = ("is_right", "what_differs")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BooksCheck]:
        return BooksCheck.objects.order_by("-at", "-pk")

    @admin.display(description="Books are right", boolean=True)
    def is_right(self, check: BooksCheck) -> bool:
        return not check.finding_count

    @admin.display(description="What differs")
    def what_differs(self, check: BooksCheck) -> SafeString | str:
        """Each check that did not hold, with the first rows: what should be there, and what is."""
        if not check.findings:
            return "Nothing: every check held."
        return format_html_join("", "<h3>{} ({})</h3>{}", map(_finding_parts, check.findings))


def _finding_parts(finding: dict[str, object]) -> tuple[object, object, SafeString]:
    rows = finding["rows"]
    assert isinstance(rows, list)
    lines = format_html_join("", "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>", rows)
    table = format_html(
        "<table><thead><tr><th>Where</th><th>Should be, micros</th><th>Is, micros</th></tr></thead>"
        "<tbody>{}</tbody></table>",
        lines,
    )
    return finding["title"], finding["row_count"], table
