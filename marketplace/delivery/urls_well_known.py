from django.urls import path

from marketplace.delivery.oauth import metadata

urlpatterns = [
    path("oauth-authorization-server", metadata.authorization_server),
    path("oauth-protected-resource/<slug:area>", metadata.protected_resource),
]
