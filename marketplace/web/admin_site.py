from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from marketplace.rights import excess_of_rights


class OwnstreamAdminSite(AdminSite):
    site_header = "Ownstream ledger and operations"
    site_title = "Ownstream admin"
    index_title = "What would you like to look at?"

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """Log in through the same page as everybody, so that the second factor holds here too."""
        # This module is read while the applications load; that one needs them loaded.
        from django.contrib.auth.views import redirect_to_login

        page = request.GET.get("next") or reverse("admin:index")
        if request.user.is_authenticated:
            return render(request, "403.html", {"exception": "The admin panel is for staff."}, status=403)
        return redirect_to_login(page, reverse("account_login"))

    def index(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> TemplateResponse:
        """Say on the first page what the application's own database role could do to the records."""
        with connection.cursor() as cursor:
            excess = excess_of_rights(cursor)
        context = {"excess_of_rights": excess, "books": self._books(request)}
        return super().index(request, {**(extra_context or {}), **context})

    def _books(self, request: HttpRequest) -> Any:
        """The newest look at the books, for those who may see money."""
        from marketplace.purchases.models import BooksCheck

        return BooksCheck.objects.first() if request.user.has_perm("purchases.view_bookscheck") else None

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, object] | None = None
    ) -> TemplateResponse:
        """The ledger's first page is its state."""
        context: dict[str, object] = {}
        if app_label == "ledger" and request.user.has_perm("ledger.view_entry"):
            from ledger.dashboard import dashboard

            with connection.cursor() as cursor:
                excess = excess_of_rights(cursor)
            context = {"title": "The ledger", "dashboard": dashboard(at=timezone.now()), "excess_of_rights": excess}
        return super().app_index(request, app_label, {**context, **(extra_context or {})})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """While the log is frozen every page says so."""
        from ledger.freezing import current_freeze

        freeze = current_freeze() if request.user.is_staff else None
        return {**super().each_context(request), "log_freeze": freeze}

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Keep what staff open in the ledger's part, and what they were refused there. What a page asks for by itself
        each second is not opened.
        """

        def kept(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            is_kept = request.path.startswith(reverse("admin:app_list", args=["ledger"]))
            try:
                response: HttpResponse = view(request, *args, **kwargs)
            except (PermissionDenied, Http404) as refusal:
                if is_kept:
                    self._keep_visit(request, status=403 if isinstance(refusal, PermissionDenied) else 404)
                raise
            if is_kept:
                title = (getattr(response, "context_data", None) or {}).get("title")
                self._keep_visit(request, status=response.status_code, title=title)
            return response

        # Django looks at these to exempt a view from what a site does with all.
        kept.__dict__.update(view.__dict__)
        return super().admin_view(kept, cacheable)

    def _keep_visit(self, request: HttpRequest, *, status: int, title: str | None = None) -> None:
        from ledger.visits import record_visit

        match = request.resolver_match
        name = match.url_name if match else ""
        if (name or "").endswith("_progress"):
            return
        record_visit(
            visitor=request.user.public_id,  # type: ignore[union-attr]  # Only staff come here.
            subject=f"{request.method} {title or name}" + (f" (refused, {status})" if status >= 400 else ""),
            address=request.get_full_path(),
            at=timezone.now(),
        )


class OwnstreamAdminConfig(AdminConfig):
    default_site = "marketplace.web.admin_site.OwnstreamAdminSite"
