from django.urls import path

from marketplace.delivery.live import page

urlpatterns = [
    path("<uuid:purchase_id>/readings", page.stream_elsewhere, name="live_stream"),
]
