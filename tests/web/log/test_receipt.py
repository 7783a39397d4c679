import pytest
from django.urls import reverse

from ledger.cosignatures import CosignatureSigner
from ledger.models import Checkpoint, Cosignature, FinalCheckpoint, StoredReceipt
from ledger.notes import parse_note
from ledger.receipts import Receipt
from ledger.services import sequence_batch
from tests.builders_ledger import submit_many

pytestmark = pytest.mark.django_db
WITNESS = CosignatureSigner("witness.example/w", b"\x05" * 32)


@pytest.fixture
def log(now, settings, tmp_path):
    settings.LEDGER_POLICY_FILE = tmp_path / "policy"
    settings.LEDGER_POLICY_FILE.write_text(
        f"witness meters {WITNESS.verifier_key} http://127.0.0.1:1\ngroup makers 1 meters\nquorum makers\n"
    )
    submit_many(3, now)
    sequence_batch(at=now)


def cosign(now) -> None:
    checkpoint = Checkpoint.objects.get(size=3)
    line = WITNESS.cosign(parse_note(checkpoint.note).text, int(now.timestamp()))
    Cosignature.objects.create(
        size=3,
        witness_name="meters",
        key_id=WITNESS.verifier_key.key_id,
        line=line,
        cosigned_at=now,
        received_at=now,
    )
    FinalCheckpoint.objects.create(size=3, note=checkpoint.note + line, final_at=now)


def test_a_receipt_is_a_file_for_anybody(client, log):
    response = client.get(reverse("log_receipt", args=[1]))
    assert response.status_code == 200
    assert response["Content-Disposition"] == 'attachment; filename="entry-1.tlog-proof"'
    assert response["Cache-Control"] == "no-store"
    assert "ETag" not in response
    receipt = Receipt.parse(response.content)
    assert (receipt.index, receipt.checkpoint) == (1, Checkpoint.objects.get(size=3).note)
    assert not StoredReceipt.objects.exists()


def test_a_final_receipt_stays_and_may_be_kept(client, log, now):
    cosign(now)
    first = client.get(reverse("log_receipt", args=[1]))
    assert first["Cache-Control"] == "public, max-age=31536000, immutable"
    assert StoredReceipt.objects.get(index=1).text.encode() == first.content
    again = client.get(reverse("log_receipt", args=[1]))
    assert (again.content, again["ETag"]) == (first.content, first["ETag"])
    unchanged = client.get(reverse("log_receipt", args=[1]), headers={"If-None-Match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("index", [3, 2**63, 10**30])
def test_there_is_none_of_an_entry_that_is_not_there(client, log, index):
    assert client.get(f"/log/entries/{index}/receipt").status_code == 404


def test_nothing_can_be_sent_to_it(client, log):
    assert client.post(reverse("log_receipt", args=[1])).status_code == 405
