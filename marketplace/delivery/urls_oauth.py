from django.urls import path

from marketplace.delivery.oauth import views

oauth_urlpatterns = [
    path("introspect", views.introspect, name="oauth_introspect"),
    path("token", views.client_token, name="oauth_token"),
    path("rotate", views.rotate, name="oauth_rotate"),
    path("revoke", views.revoke, name="oauth_revoke"),
]
urlpatterns = oauth_urlpatterns
