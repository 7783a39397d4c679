"""Hand out how a delivered file stands in the log, to whoever may read the file."""

from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from ledger.receipt_building import receipt_for
from ledger.services import find_entry
from marketplace.delivery.doors.entrance import door, grant_of
from marketplace.delivery.errors import NoProof, ProofWaits
from marketplace.delivery.models import Segment
from marketplace.delivery.tables.recording import segment_proof
from marketplace.delivery.windows import find_file


@door("GET")
def file_proof(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """docs/ledger.md says how it is checked. Raises: NameUnknown, NoProof, ProofWaits, and what grant_of raises."""
    file = find_file(grant_of(request), file_id)
    if not file.is_whole:
        raise NoProof
    proof = segment_proof(Segment.objects.select_related("batch").get(public_id=file_id))
    entry = None if proof is None else find_entry(proof.entry_id)
    if proof is None or entry is None:
        raise ProofWaits
    answer = {
        "file": str(file_id),
        "sha256": file.sha256.hex(),
        **proof.named(),
        "entry_index": entry.pk,
        "entry": bytes(entry.body).decode(),
        "receipt": receipt_for(entry, at=timezone.now()),
    }
    response = HttpResponse(orjson.dumps(answer), content_type="application/json; charset=utf-8")
    response["Cache-Control"] = "private, no-store"
    return response
