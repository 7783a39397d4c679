from django.urls import include, path

urlpatterns = [
    path("", include("marketplace.web.urls_site")),
    path("", include("marketplace.web.urls_owner")),
    path("", include("marketplace.web.urls_buyer")),
    path("", include("marketplace.web.urls_disputes")),
    path("", include("marketplace.web.urls_metadata")),
]
