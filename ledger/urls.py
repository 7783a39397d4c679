from django.urls import path

from ledger import views, views_receipts, views_tiles

urlpatterns = [
    path("checkpoint", views.log_checkpoint, name="log_checkpoint"),
    path("vkey", views.log_vkey, name="log_vkey"),
    path("policy", views.log_policy_file, name="log_policy"),
    path("entries/<int:index>/receipt", views_receipts.log_receipt, name="log_receipt"),
    path("entries/<int:index>/bytes", views_receipts.log_entry_bytes, name="log_entry_bytes"),
    path("tile/entries/<path:place>", views_tiles.log_entry_bundle, name="log_entry_bundle"),
    path("tile/<path:place>", views_tiles.log_tile, name="log_tile"),
]
