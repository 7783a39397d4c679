"""The receipt and the bytes of an entry, as files for anybody."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import Entry, StoredReceipt
from ledger.receipts import Receipt, verify_receipt
from tests.builders_ledger import tamper
from tests.web.log.witnessing import append, cosign, our_policy, trust_witnesses

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def witnesses(settings: Any, tmp_path: Path) -> None:
    trust_witnesses(settings, tmp_path)


def receipt_address(index: int) -> str:
    return reverse("log_receipt", args=[index])


def test_a_final_receipt_is_a_file_that_never_changes(client: Client, now: datetime):
    append(now, 3, 2)
    cosign(3, now)
    answer = client.get(receipt_address(1))
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="entry-1.tlog-proof"'
    assert answer["Cache-Control"] == "public, max-age=31536000, immutable"
    receipt = Receipt.parse(answer.content)
    proven = verify_receipt(receipt, entry=receipt.extra, policy=our_policy())
    assert (receipt.index, proven.head.size, proven.is_final) == (1, 3, True)
    cosign(5, now)
    again = client.get(receipt_address(1))
    assert (again.content, again["ETag"]) == (answer.content, answer["ETag"])
    assert not answer.cookies


def test_who_has_it_is_not_sent_it_again(client: Client, now: datetime):
    append(now, 3)
    cosign(3, now)
    etag = client.get(receipt_address(1))["ETag"]
    answer = client.get(receipt_address(1), headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_receipt_that_is_not_final_says_so_and_changes_once(client: Client, now: datetime):
    append(now, 3)
    early = client.get(receipt_address(1))
    assert early["Content-Disposition"] == 'attachment; filename="entry-1-not-final.tlog-proof"'
    assert early["Cache-Control"] == "public, no-cache"
    receipt = Receipt.parse(early.content)
    assert not verify_receipt(receipt, entry=receipt.extra, policy=our_policy()).is_final
    assert not StoredReceipt.objects.exists()
    cosign(3, now)
    late = client.get(receipt_address(1), headers={"If-None-Match": early["ETag"]})
    assert late.status_code == 200
    assert late["Content-Disposition"] == 'attachment; filename="entry-1.tlog-proof"'


def test_the_bytes_are_what_is_hashed(client: Client, now: datetime):
    append(now, 3)
    answer = client.get(reverse("log_entry_bytes", args=[2]))
    assert answer.content == bytes(Entry.objects.get(pk=2).body)
    assert answer["Content-Disposition"] == 'attachment; filename="entry-2.json"'
    assert answer["Content-Type"] == "application/json"
    assert "immutable" in answer["Cache-Control"]
    known = client.get(reverse("log_entry_bytes", args=[2]), headers={"If-None-Match": answer["ETag"]})
    assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("name", ["log_receipt", "log_entry_bytes"])
def test_what_is_not_there_is_not_found_and_nothing_can_be_sent(client: Client, now: datetime, name: str):
    append(now, 1)
    for index in (1, 2**63, 10**30):
        assert client.get(reverse(name, args=[index])).status_code == 404
    for method in (client.post, client.put, client.delete):
        assert method(reverse(name, args=[0])).status_code == 405
    assert not StoredReceipt.objects.exists()


def test_a_damaged_entry_has_no_receipt(client: Client, now: datetime):
    append(now, 3)
    tamper("UPDATE ledger_entry SET body = set_byte(body, 30, 90) WHERE index = 1")
    answer = client.get(receipt_address(1))
    assert (answer.status_code, answer["Cache-Control"]) == (503, "no-store")
    assert answer.content.decode().startswith("No receipt can be given for entry 1:")
    assert "attachment" not in answer.get("Content-Disposition", "")
    assert client.get(receipt_address(0)).status_code == 200
