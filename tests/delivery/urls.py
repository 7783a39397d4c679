from django.urls import include, path

urlpatterns = [
    path("delta-sharing/", include("marketplace.delivery.urls")),
    path("oauth/", include("marketplace.delivery.urls_oauth")),
]
