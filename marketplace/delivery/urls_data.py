from django.urls import path

from marketplace.delivery.doors import proofs as proof_door
from marketplace.delivery.evidence import door as evidence_door
from marketplace.delivery.exports import door as data_door

urlpatterns = [
    path("files/<uuid:file_id>/proof", proof_door.file_proof, name="file_proof"),
    path("<uuid:purchase_id>/readings", data_door.readings_file, name="readings_file"),
    path("<uuid:purchase_id>/evidence", evidence_door.evidence_file, name="evidence_file"),
]
