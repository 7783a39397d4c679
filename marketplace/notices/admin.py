from django.contrib import admin

from marketplace.notices.models import MutedMail, Notice, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from marketplace.readonly import ReadOnlyAdmin, ReadOnlyLines


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "kind", "user", "at", "mail_state", "mail_attempts", "mail_error", "mail_sent_at")
    list_filter = ("mail_state", "kind")
    list_select_related = ("user",)
    date_hierarchy = "at"
    search_fields = ("=public_id", "=reference", "user__email")
    ordering = ("-id",)
    exclude = ("facts",)


@admin.register(MutedMail)
class MutedMailAdmin(ReadOnlyAdmin):
    list_display = ("user", "kind", "muted_at")
    list_filter = ("kind",)
    list_select_related = ("user",)


class AttemptLines(ReadOnlyLines):
    model = WebhookAttempt
    fields = ("at", "status_code", "reason", "duration_ms")


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "user", "url", "created_at", "failing_since", "disabled_at", "disabled_reason")
    list_filter = ("disabled_reason",)
    list_select_related = ("user",)
    search_fields = ("=public_id", "user__email")
    exclude = ("sealed_secret", "previous_sealed_secret")


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "endpoint", "state", "created_at", "attempt_count", "due_at", "delivered_at")
    list_filter = ("state",)
    list_select_related = ("endpoint",)
    search_fields = ("=public_id", "=endpoint__public_id")
    inlines = (AttemptLines,)
