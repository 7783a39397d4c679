from django.urls import path

from marketplace.delivery import oauth_metadata

urlpatterns = [
    path("oauth-authorization-server", oauth_metadata.authorization_server),
    path("oauth-protected-resource/<slug:area>", oauth_metadata.protected_resource),
]
