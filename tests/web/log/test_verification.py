import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from ledger.models import Entry
from ledger.receipt_building import receipt_for
from ledger.services import commit_subject, disclose_subject, sequence_batch
from marketplace.web.views import log_verification
from tests.builders_ledger import submit, submit_many

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
    assert "Good, but not final." in text
    assert "It calls itself device.enrolled" in text
    assert "hashes lead from that leaf, at index 1, to the root" in text
    assert "signed this size and root" in text


def test_a_pasted_receipt_is_the_same(client, receipt):
    page = client.post(PAGE, {"receipt_text": receipt.replace("\n", "\r\n")})
    assert page.status_code == 200
    assert "Good, but not final." in page.content.decode()


def test_every_changed_line_is_refused_and_the_step_is_named(client, receipt):
    lines = receipt.split("\n")
    for number, line in enumerate(lines[:-1]):
        changed = [*lines[:number], line[:-2] + ("B=" if line.endswith("A=") else "A="), *lines[number + 1 :]]
        page = client.post(PAGE, {"receipt": file("\n".join(changed))})
        assert page.status_code == 422, line
        assert "Bad: do not rely on it." in page.content.decode()


def test_the_receipt_of_another_log_is_not_ours(client, receipt, settings):
    settings.LEDGER_ORIGIN = "other.example/log"
    page = client.post(PAGE, {"receipt": file(receipt)})
    assert page.status_code == 422
    assert "the signatures under the checkpoint" in page.content.decode()
    assert "note_unverified" in page.content.decode()


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
