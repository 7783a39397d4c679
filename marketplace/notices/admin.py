from django.contrib import admin

from marketplace.notices.models import MutedMail, Notice
from marketplace.readonly import ReadOnlyAdmin


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
