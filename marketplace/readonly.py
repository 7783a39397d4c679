"""Admin pages for rows that staff may look at and only services may change."""

from django.contrib.admin.options import BaseModelAdmin, ModelAdmin, TabularInline
from django.db.models import Model
from django.http import HttpRequest


class ReadOnly(BaseModelAdmin):
    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    # Counting every row for a page that searches anyway is slow on the tables that grow.
    show_full_result_count = False


class ReadOnlyLines(ReadOnly, TabularInline):
    extra = 0
    # Django's own has empty column headings, for boxes that nobody gets here.
    template = "admin/readonly_lines.html"
