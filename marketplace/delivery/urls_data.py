from django.urls import path

from marketplace.delivery import evidence_door

urlpatterns = [
    path("<uuid:purchase_id>/evidence", evidence_door.evidence_file, name="evidence_file"),
]
