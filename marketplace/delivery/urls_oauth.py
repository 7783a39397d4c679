from django.urls import path

from marketplace.delivery import oauth

oauth_urlpatterns = [
    path("introspect", oauth.introspect, name="oauth_introspect"),
    path("token", oauth.client_token, name="oauth_token"),
    path("rotate", oauth.rotate, name="oauth_rotate"),
    path("revoke", oauth.revoke, name="oauth_revoke"),
]
urlpatterns = oauth_urlpatterns
