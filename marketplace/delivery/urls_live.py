from django.urls import path

from marketplace.delivery import live_page

urlpatterns = [
    path("<uuid:purchase_id>/readings", live_page.stream_elsewhere, name="live_stream"),
]
