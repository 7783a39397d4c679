from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from ledger.admin_filters import CappedPaginator


class ReadOnlyAdmin(admin.ModelAdmin):
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    # Each would count or load without a bound.
    list_max_show_all = 0
    show_facets = admin.ShowFacets.NEVER
    actions = None

    class Media:
        css = {"all": ["ledger/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_verify = request.user.has_perm("ledger.verify_log")
        return super().changelist_view(request, {**(extra_context or {}), "may_verify": may_verify})
