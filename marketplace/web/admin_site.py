from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.urls import reverse

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
        return super().index(request, {**(extra_context or {}), "excess_of_rights": excess})


class OwnstreamAdminConfig(AdminConfig):
    default_site = "marketplace.web.admin_site.OwnstreamAdminSite"
