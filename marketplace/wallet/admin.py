from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines
from marketplace.wallet.gateway.models import (
    CardRefund,
    Chargeback,
    EventOutcome,
    Payee,
    Payout,
    ProviderEvent,
    Reconciliation,
)
from marketplace.wallet.models import Account, Posting, TopUp, Transfer


class PostingLines(ReadOnlyLines):
    model = Posting
    fields = ("account", "amount_micros")


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "kind", "owner", "currency", "balance")
    list_filter = ("kind", "currency")
    list_select_related = ("owner",)
    search_fields = ("public_id", "owner__email")
    fields = ("public_id", "kind", "owner", "currency", "balance", "rolled_micros")
    readonly_fields = ("balance",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        return Account.objects.with_balance()

    @admin.display(description="Balance in micros")
    def balance(self, account: Any) -> int:
        return account.balance_micros


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "kind", "at", "reference")
    list_filter = ("kind",)
    date_hierarchy = "at"
    search_fields = ("=public_id", "=reference", "=idempotency_key")
    ordering = ("-id",)
    inlines = (PostingLines,)


@admin.register(Posting)
class PostingAdmin(ReadOnlyAdmin):
    list_display = ("transfer", "account", "amount_micros")
    list_select_related = ("transfer", "account")
    search_fields = ("=transfer__public_id", "=transfer__reference", "=account__public_id")
    ordering = ("-id",)


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "user", "amount_micros", "currency", "state", "provider", "created_at", "settled_at")
    list_filter = ("state", "provider")
    list_select_related = ("user",)
    date_hierarchy = "created_at"
    search_fields = ("=public_id", "user__email")


class OutcomeLines(ReadOnlyLines):
    model = EventOutcome
    fields = ("result", "code", "transfer", "at")


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin):
    """What payment providers told us, each message once, with what followed from it."""

    list_display = ("event_id", "provider", "type", "amount_micros", "currency", "received_at", "followed")
    list_filter = ("provider", "kind", "outcome__result")
    list_select_related = ("outcome",)
    date_hierarchy = "received_at"
    search_fields = ("=event_id", "=reference", "=object_id", "=payment_id")
    ordering = ("-id",)
    exclude = ("body_sha256",)
    inlines = (OutcomeLines,)

    @admin.display(description="What followed")
    def followed(self, event: ProviderEvent) -> str:
        return event.outcome.get_result_display() if hasattr(event, "outcome") else "Waits"


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "user", "amount_micros", "currency", "state", "failure_code", "requested_at")
    list_filter = ("state", "provider")
    list_select_related = ("user",)
    date_hierarchy = "requested_at"
    search_fields = ("=public_id", "=object_id", "user__email")


@admin.register(CardRefund)
class CardRefundAdmin(ReadOnlyAdmin):
    """Money of top-ups that people took back to where it came from."""

    list_display = ("public_id", "user", "amount_micros", "currency", "state", "failure_code", "requested_at")
    list_filter = ("state", "provider")
    list_select_related = ("user",)
    date_hierarchy = "requested_at"
    search_fields = ("=public_id", "=object_id", "=top_up__public_id", "user__email")


@admin.register(Payee)
class PayeeAdmin(ReadOnlyAdmin):
    list_display = ("account_id", "provider", "user", "is_ready", "schedule", "created_at")
    list_filter = ("provider", "is_ready", "schedule")
    list_select_related = ("user",)
    search_fields = ("=account_id", "user__email")


@admin.register(Chargeback)
class ChargebackAdmin(ReadOnlyAdmin):
    """Money of top-ups that the provider took back. Whoever owes some of it buys nothing until it is covered."""

    list_display = ("object_id", "top_up", "reason", "state", "amount_micros", "taken_micros", "currency", "opened_at")
    list_filter = ("state", "reason", "provider")
    list_select_related = ("top_up",)
    date_hierarchy = "opened_at"
    search_fields = ("=public_id", "=object_id", "=top_up__public_id", "top_up__user__email")


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyAdmin):
    """Each night what providers told us is compared with what we booked; here is what differs."""

    list_display = ("at", "fits", "event_count", "missed_count", "finding_count")
    date_hierarchy = "at"
    fields = ("at", "fits", "event_count", "missed_count", "what_differs")
    readonly_fields = ("fits", "what_differs")

    @admin.display(description="Everything fits", boolean=True)
    def fits(self, look: Reconciliation) -> bool:
        return not look.finding_count

    @admin.display(description="What differs")
    def what_differs(self, look: Reconciliation) -> SafeString | str:
        if not look.findings:
            return "Nothing: every message has its posting, and every posting its message."
        return format_html_join("", "<h3>{} ({})</h3>{}", map(_difference, look.findings))


def _difference(finding: dict[str, Any]) -> tuple[object, object, SafeString]:
    lines = format_html_join("", "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>", finding["rows"])
    return (
        finding["title"],
        finding["row_count"],
        format_html(
            "<table><thead><tr><th>Where</th><th>Should be</th><th>Is</th></tr></thead><tbody>{}</tbody></table>", lines
        ),
    )
