"""Each read is in one summary, each summary in the log, and anybody can follow a read there."""

from __future__ import annotations

import json
import re
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from ledger import merkle
from ledger.models import Entry, OutboxRow
from ledger.services import log_policy, sequence_batch
from ledger.verify import main as verify_receipt
from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.delivery.models import Read, ReadSummary
from marketplace.delivery.reads.leaves import leaf_bytes
from marketplace.delivery.reads.summarising import proof_document, proof_of, summarise_reads
from marketplace.delivery.services import count_read
from marketplace.erasure.services import erase_account
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase, UsageMonth
from marketplace.purchases.services import bill_usage
from tests.builders import EURO
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.builders_money import at_once, fill_wallet

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def purchase(sara: User, ben: User, now: datetime) -> Purchase:
    _, listing = make_stocked_listing(sara, now)
    token, _ = buy_token(listing, ben, now)
    return token.purchase


def read(purchase: Purchase, at: datetime, rows: int = 60) -> Read:
    token = purchase.tokens.get()
    door = Read.Door.DOWNLOAD
    return Read.objects.create(purchase=purchase, token=token, door=door, at=at, row_count=rows, byte_count=rows * 9)


def midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def test_a_day_that_is_over_is_summed_up_once(purchase: Purchase, now: datetime) -> None:
    made = [read(purchase, now + timedelta(minutes=number), number) for number in range(5)]
    tomorrow = midnight(now) + DAY
    assert summarise_reads(at=tomorrow - timedelta(microseconds=1)) == 0
    assert summarise_reads(at=tomorrow) == 1
    assert summarise_reads(at=tomorrow) == 0
    summary = ReadSummary.objects.get()
    assert (summary.day, summary.read_count, summary.row_count, summary.byte_count) == (now.date(), 5, 10, 90)
    body = json.loads(bytes(OutboxRow.objects.get(entry_id=summary.entry_id).body))
    assert (body["kind"], body["day"], body["reads"], body["rows"]) == ("delivery.summary", str(now.date()), 5, 10)
    assert body["reads_root"] == bytes(summary.root).hex()
    assert purchase.buyer.email not in json.dumps(body)
    for index, one in enumerate(made):
        proof = proof_of(Read.objects.get(pk=one.pk))
        assert proof is not None
        assert (proof.index, proof.size) == (index, 5)
        merkle.verify_inclusion(proof.leaf_hash, index, 5, proof.path, bytes(summary.root))


def test_what_came_late_is_in_the_next_one(purchase: Purchase, now: datetime) -> None:
    read(purchase, now)
    summarise_reads(at=now + DAY)
    late = read(purchase, now)
    assert summarise_reads(at=now + DAY) == 0
    assert proof_of(late) is None
    assert summarise_reads(at=now + 2 * DAY) == 1
    late.refresh_from_db()
    assert late.summary.day == now.date() + DAY
    assert not Read.objects.filter(summary=None).exists()


def test_nothing_is_said_of_who_is_gone(purchase: Purchase, ben: User, now: datetime) -> None:
    read(purchase, now)
    erase_account(user=ben, at=now)
    assert summarise_reads(at=now + DAY) == 0


def test_the_root_changes_with_every_byte_of_a_read(purchase: Purchase, now: datetime) -> None:
    one = read(purchase, now)
    summarise_reads(at=now + DAY)
    proof = proof_of(Read.objects.get(pk=one.pk))
    assert proof is not None
    for name, other in (("rows", 61), ("bytes", 1), ("door", "live"), ("at", "x"), ("read", "x"), ("purchase", "x")):
        assert merkle.leaf_hash(leaf_bytes(proof.content | {name: other})) != bytes(proof.summary.root)


@pytest.mark.parametrize("count", range(1, 14))
def test_the_lines_of_the_docs_check_every_place(
    purchase: Purchase, now: datetime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    made = [read(purchase, now + timedelta(minutes=number), number) for number in range(count)]
    summarise_reads(at=now + DAY)
    sequence_batch(at=now + DAY)
    text = (settings.BASE_DIR / "docs" / "buying.md").read_text()
    lines = re.search(r"```python\n(import hashlib, json.*?)```", text, re.DOTALL)
    assert lines is not None
    monkeypatch.chdir(tmp_path)
    for one in made:
        proof = proof_of(Read.objects.get(pk=one.pk))
        assert proof is not None
        document = proof_document(proof, at=now + DAY)
        Path("read.json").write_text(json.dumps(document))
        exec(lines[1], {})
        Path("read.json").write_text(json.dumps(document | {"leaf": document["leaf"].replace("60", "61") + " "}))
        with pytest.raises(AssertionError):
            exec(lines[1], {})
    Path("policy").write_text(log_policy().text())
    # Not final: no witness has cosigned the log of this test.
    assert verify_receipt(["summary.tlog-proof", "--policy", "policy"]) == 2
    entry = Entry.objects.get(entry_id=ReadSummary.objects.get().entry_id)
    assert document["reads_root"] in bytes(entry.body).decode()


def test_reads_bill_and_month_are_the_same_rows(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 50, now)
    _, listing = make_stocked_listing(sara, now, plans=[PlanTerms("metered", micros_per_1000_rows=EURO)])
    token, text = buy_token(listing, ben, now)
    for rows in (700, 800, 1_000):
        grant = authorise(token=text, at=now)
        count_read(grant=grant, door=Read.Door.LIVE, row_count=rows, byte_count=1, at=now)
    bill_usage(at=now + 40 * DAY)
    summarise_reads(at=now + DAY)
    bill = Purchase.objects.get(continues=token.purchase)
    assert (
        ReadSummary.objects.get().row_count
        == UsageMonth.objects.earliest("ends_at").row_count
        == bill.row_count
        == 2_500
    )
    assert bill.price_micros == 2_500_000


@pytest.mark.django_db(transaction=True)
def test_workers_at_the_same_time_make_one(sara: User, ben: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    token, _ = buy_token(listing, ben, now)
    for number in range(20):
        read(token.purchase, now + timedelta(seconds=number))
    answers = at_once([partial(summarise_reads, at=now + DAY) for _ in range(6)])
    assert sorted(answers) == [0] * 5 + [1]  # type: ignore[type-var]  # an exception fails the comparison
    assert OutboxRow.objects.filter(kind="delivery.summary").count() == 1
    assert Read.objects.filter(summary=ReadSummary.objects.get()).count() == 20


def test_the_pages_show_the_same_to_both_sides_and_nothing_to_others(
    purchase: Purchase, sara: User, ben: User, mallory: User, now: datetime
) -> None:
    one = read(purchase, now)
    summarise_reads(at=now + DAY)
    sequence_batch(at=now + DAY)
    pages = [reverse("read_page", args=[one.public_id]), reverse("read_proof", args=[one.public_id])]
    usage = [reverse(name, args=[purchase.public_id]) for name in ("purchase_usage", "usage_file")]
    for person, seen in ((ben, [*pages, *usage]), (sara, pages), (mallory, [])):
        client = Client()
        client.force_login(person)
        found = {address for address in [*pages, *usage] if client.get(address).status_code == 200}
        assert found == set(seen)
    client = Client()
    client.force_login(ben)
    text = client.get(usage[0]).content.decode()
    assert "In the log" in text
    lines = b"".join(client.get(usage[1])).decode().splitlines()
    assert lines[1].endswith(f"{now.date()},{ReadSummary.objects.get().entry_id}")
    assert client.get(pages[1]).json()["path"] == []
    fresh = read(purchase, now + 2 * DAY)
    assert client.get(reverse("read_proof", args=[fresh.public_id])).status_code == 409
    assert date.fromisoformat(client.get(pages[1]).json()["day"]) == now.date()
