from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    # First, because the hot paths are here and each pattern before them costs every upload a little.
    path("api/", include("marketplace.api.urls")),
    path("delta-sharing/", include("marketplace.delivery.urls")),
    path("data/", include("marketplace.delivery.urls_data")),
    path("live/", include("marketplace.delivery.urls_live")),
    path("", include("marketplace.web.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("oauth/", include("marketplace.delivery.urls_oauth")),
    path(".well-known/", include("marketplace.delivery.urls_well_known")),
    path("log/", include("ledger.urls")),
]

handler400 = "marketplace.api.refusals.bad_request"
handler403 = "marketplace.api.refusals.permission_denied"
handler404 = "marketplace.api.refusals.page_not_found"
handler500 = "marketplace.api.refusals.server_error"
