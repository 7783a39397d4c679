from django.urls import path

from marketplace.delivery import data_door, evidence_door

urlpatterns = [
    path("<uuid:purchase_id>/readings", data_door.readings_file, name="readings_file"),
    path("<uuid:purchase_id>/evidence", evidence_door.evidence_file, name="evidence_file"),
]
