"""The public page of one entry: its bytes, its proof, its checkpoint, and how far it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import Entry
from tests.builders_ledger import tamper
from tests.builders_receipts import WITNESSES
from tests.web.log.witnessing import append, cosign, trust_witnesses

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def witnesses(settings: Any, tmp_path: Path) -> None:
    trust_witnesses(settings, tmp_path)


def open_entry(client: Client, index: int) -> Any:
    answer = client.get(reverse("log_entry", args=[index]))
    assert answer.status_code == 200
    return answer


def test_shows_bytes_leaf_and_every_step_to_the_root(client: Client, now: datetime):
    append(now, 5)
    answer = open_entry(client, 2)
    page, proof = answer.content.decode(), answer.context["proof"]
    entry = Entry.objects.get(pk=2)
    assert bytes(entry.leaf_hash).hex() in page
    assert bytes(entry.body).hex(" ") in page
    assert len(proof.verified.steps) == 3
    assert all(step.sibling.hex() in page and step.result.hex() in page for step in proof.verified.steps)
    assert proof.verified.head.root_hash.hex() in page


def test_a_signed_entry_says_that_its_receipt_will_change_once(client: Client, now: datetime):
    append(now, 5)
    cosign(5, now, witnesses=1)
    answer = open_entry(client, 2)
    page = answer.content.decode()
    assert [step["state"] for step in answer.context["steps"]] == ["done", "done", "now"]
    assert "seal-signed" in page
    assert "It will change once into its final form" in page
    assert "Cosigned by maker1." in page
    assert "Not here: maker2, maker3." in page
    assert WITNESSES[0].verifier_key.key_id.hex() in page
    assert reverse("log_receipt", args=[2]) in page


def test_a_final_entry_names_who_cosigned_it_and_when(client: Client, now: datetime):
    append(now, 3, 4)
    cosign(3, now)
    answer = open_entry(client, 2)
    page = answer.content.decode()
    assert [step["title"] for step in answer.context["steps"]] == ["Recorded", "Signed by the log", "Final"]
    assert "seal-final" in page
    assert "In a checkpoint of 3 entries." in page
    assert "Cosigned by maker1, maker2." in page
    assert "14 Mar 2026, 09:27:00 UTC" in page
    assert "never changes again" in page


def test_a_changed_entry_is_broken_and_offers_no_receipt(client: Client, now: datetime):
    append(now, 3)
    cosign(3, now)
    tamper("UPDATE ledger_entry SET body = set_byte(body, 30, 90) WHERE index = 1")
    answer = open_entry(client, 1)
    page = answer.content.decode()
    assert answer.context["proof"] is None
    assert "seal-broken" in page
    assert "No receipt can be given for entry 1" in page
    assert reverse("log_receipt", args=[1]) not in page
    assert "seal-final" not in page


def test_leads_to_its_neighbours(client: Client, now: datetime):
    append(now, 3)
    for index, neighbours in {0: (None, 1), 1: (0, 2), 2: (1, None)}.items():
        context = open_entry(client, index).context
        assert (context["previous_index"], context["next_index"]) == neighbours


def test_nothing_can_be_sent_to_it(client: Client, now: datetime):
    append(now, 1)
    assert client.post(reverse("log_entry", args=[0])).status_code == 405
