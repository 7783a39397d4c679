import json
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ledger.models import Entry, StoredReceipt
from ledger.receipt_building import receipt_for
from ledger.receipts import Receipt
from ledger.services import commit_subject, disclose_subject, sequence_batch
from marketplace.web.views import log_verification
from tests.builders_ledger import submit, submit_many
from tests.builders_receipts import POLICY, SmallLog
from tests.web.log.witnessing import append, cosign, trust_witnesses

pytestmark = pytest.mark.django_db
PAGE = "/log/verify/"


@pytest.fixture
def receipt(now) -> str:
    submit_many(3, now)
    sequence_batch(at=now)
    return receipt_for(Entry.objects.get(index=1), at=now)


def file(content: str | bytes, name: str = "entry-1.tlog-proof") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content.encode() if isinstance(content, str) else content)


def test_the_page_asks_for_a_receipt(client):
    page = client.get(PAGE)
    assert page.status_code == 200
    assert b'type="file"' in page.content


def test_a_dropped_receipt_is_checked_step_by_step(client, receipt):
    page = client.post(PAGE, {"receipt": file(receipt)})
    assert page.status_code == 200
    text = page.content.decode()
    assert "Good, but not final" in text
    assert "It calls itself device.enrolled" in text
    assert "hashes lead from that leaf, at index 1, to the root" in text
    assert "signed this size and root" in text


def test_a_pasted_receipt_is_the_same(client, receipt):
    for pasted in (receipt.replace("\n", "\r\n"), f"\n {receipt.rstrip()}"):
        page = client.post(PAGE, {"receipt_text": pasted})
        assert page.status_code == 200
    assert "Good, but not final" in page.content.decode()


def test_a_pasted_receipt_that_is_refused_stands_in_its_field_again(client, receipt):
    page = client.post(PAGE, {"receipt_text": receipt.replace("index 1", "index 2")})
    assert page.status_code == 422
    assert "index 2" in page.context["form"]["receipt_text"].value()
    good = client.post(PAGE, {"receipt_text": receipt})
    assert not good.context["form"]["receipt_text"].value()


def test_every_changed_line_is_refused_and_the_step_is_named(client, receipt):
    lines = receipt.split("\n")
    for number, line in enumerate(lines[:-1]):
        changed = [*lines[:number], line[:-2] + ("B=" if line.endswith("A=") else "A="), *lines[number + 1 :]]
        page = client.post(PAGE, {"receipt": file("\n".join(changed))})
        assert page.status_code == 422, line
        shown = page.content.decode()
        # Whose name is changed is another log's; nothing is said of it.
        assert ("Bad: do not rely on it" in shown) != ("This is a receipt of another log" in shown)
        assert page.context["outcome"].failed.step in shown


def test_the_receipt_of_another_log_is_not_judged(client, receipt):
    other = SmallLog.of_size(5).receipt(2).text()
    page = client.post(PAGE, {"receipt": file(other)})
    text = page.content.decode()
    assert page.status_code == 422
    assert "This is a receipt of another log" in text
    assert 'It names <span class="mono">market.example/log</span>' in text
    assert "note_unverified" in text
    assert "Bad: do not rely on it" not in text


def test_the_receipt_of_another_log_is_checked_with_its_own_policy(client, receipt):
    other = SmallLog.of_size(5).receipt(2).text()
    page = client.post(PAGE, {"receipt": file(other), "policy": POLICY.text().replace("\n", "\r\n")})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Good and final" in text
    assert "Checked against the policy that you gave." in text
    # Its number is no number of ours.
    assert "/log/entries/2/" not in text
    page = client.post(PAGE, {"receipt": file(receipt), "policy": POLICY.text()})
    assert page.status_code == 422
    assert "Your policy does not name that log" in page.content.decode()


def test_a_final_receipt_names_its_witnesses_and_leads_to_the_entry(client, now, settings, tmp_path):
    trust_witnesses(settings, tmp_path)
    append(now, 5)
    cosign(5, now)
    receipt = receipt_for(Entry.objects.get(index=3), at=now)
    page = client.post(PAGE, {"receipt": file(receipt)})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Good and final" in text
    assert "The witness maker2 (maker2.example/witness) cosigned it at 2026-03-14 09:27:00 UTC." in text
    assert "Not cosigned here by maker3." in text
    assert "That whose keys they are is our word" in text
    assert 'href="/log/entries/3/"' in text
    assert page["Cache-Control"].endswith("private")


def test_an_entry_beside_the_receipt_is_used_and_asked_for(client, receipt):
    whole = Receipt.parse(receipt)
    bare = replace(whole, extra=b"").text()
    page = client.post(PAGE, {"receipt": file(bare)})
    assert page.status_code == 422
    assert "choose the file with the entry&#x27;s bytes too" in page.content.decode()
    page = client.post(PAGE, {"receipt": file(bare), "entry": file(whole.extra, "entry-1.json")})
    assert page.status_code == 200
    page = client.post(PAGE, {"receipt": file(receipt), "entry": file(whole.extra + b" ", "entry-1.json")})
    assert page.status_code == 422
    assert "reading the entry" in page.content.decode()


def test_what_was_proved_before_the_failure_is_shown(client, receipt):
    whole = Receipt.parse(receipt)
    broken = replace(whole, proof=(bytes(32), *whole.proof[1:]))
    text = client.post(PAGE, {"receipt": file(broken.text())}).content.decode()
    assert "have the leaf hash" in text
    assert "Failed</span><span>At the proof from the entry to the root" in text
    assert "proof_invalid" in text


def test_too_much_is_not_even_read(client, receipt, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    page = client.post(PAGE, {"receipt": file(b"a" * 3_000_000)})
    assert page.status_code == 413
    assert "That is too much for a receipt" in page.content.decode()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept(client, receipt, settings, tmp_path):
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path
    client.post(PAGE, {"receipt": file(receipt)})
    assert list(tmp_path.iterdir()) == []
    assert not StoredReceipt.objects.exists()


def test_it_works_without_cookies(receipt):
    visitor = Client(enforce_csrf_checks=True)
    assert visitor.post(PAGE, {"receipt": file(receipt)}).status_code == 200


def test_other_ways_of_asking_are_refused(client):
    assert client.put(PAGE).status_code == 405
    assert client.delete(PAGE).status_code == 405


def test_a_policy_of_ones_own_is_what_counts(client, receipt):
    page = client.post(PAGE, {"receipt": file(receipt), "policy": "quorum none\n"})
    assert page.status_code == 422
    page = client.post(PAGE, {"receipt": file(receipt), "policy": "nonsense"})
    assert page.status_code == 422
    assert "reading the policy" in page.content.decode()


def test_a_disclosure_says_whose_code_stands_in_the_entry(client, now, sara):
    handle = commit_subject(kind="person", subject_id=sara.public_id)
    submit(now, owner=handle)
    sequence_batch(at=now)
    receipt = receipt_for(Entry.objects.get(index=0), at=now)
    key = disclose_subject(kind="person", subject_id=sara.public_id).key
    content = {"subject_kind": "person", "subject_id": str(sara.public_id), "key": key.hex()}
    page = client.post(PAGE, {"receipt": file(receipt), "disclosure": file(json.dumps(content), "d.json")})
    assert page.status_code == 200
    assert f"The handle at owner is the person {sara.public_id}" in page.content.decode()
    content["key"] = "00" * 32
    page = client.post(PAGE, {"receipt": file(receipt), "disclosure": file(json.dumps(content), "d.json")})
    assert page.status_code == 422
    assert "the disclosure" in page.content.decode()


@pytest.mark.parametrize(
    "content", [b"\x00\xff", b"<script>alert(1)</script>", b"c2sp.org/tlog-proof@v1\nindex one\n\n"]
)
def test_any_other_file_is_told_apart(client, receipt, content):
    page = client.post(PAGE, {"receipt": file(content)})
    assert page.status_code == 422
    assert "reading the receipt" in page.content.decode()
    assert "<script>alert" not in page.content.decode()


def test_nothing_chosen_is_said(client):
    page = client.post(PAGE, {})
    assert page.status_code == 422
    assert "Choose or paste a receipt first." in page.content.decode()


def test_a_file_that_is_too_large_is_refused(client):
    page = client.post(PAGE, {"receipt": file(b"a"), "entry": file(b"a" * 9000, "entry")})
    assert page.status_code == 422
    assert "This file is too large: at most 8,192 bytes." in page.content.decode()


def test_a_flood_is_braked(client, receipt, monkeypatch):
    monkeypatch.setattr(log_verification, "CHECKS_A_MINUTE", 2)
    client.defaults["REMOTE_ADDR"] = "203.0.113.77"
    answers = [client.post(PAGE, {"receipt": file(receipt)}).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
