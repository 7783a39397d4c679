from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("marketplace.web.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("marketplace.api.urls")),
    path("delta-sharing/", include("marketplace.delivery.urls")),
    path("oauth/", include("marketplace.delivery.urls_oauth")),
    path("log/", include("ledger.urls")),
]
