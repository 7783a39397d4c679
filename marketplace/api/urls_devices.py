from django.urls import path

from marketplace.api.views import devices

urlpatterns = [
    path("devices/nonce", devices.device_nonce, name="device_nonce"),
    path("devices/enrol", devices.device_enrolment, name="device_enrolment"),
    path("devices/batches", devices.device_batches, name="device_batches_upload"),
]
