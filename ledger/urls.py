from django.urls import path

from ledger import views

urlpatterns = [
    path("checkpoint", views.log_checkpoint, name="log_checkpoint"),
    path("vkey", views.log_vkey, name="log_vkey"),
]
