"""Each file's hash is in the log: many in one entry, provable by whoever may read the file, also when it goes."""

import hashlib
import json
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from ledger.merkle import leaf_hash, root_hash, verify_inclusion
from ledger.models import Entry, OutboxRow
from ledger.reconciliation import reconcile
from ledger.services import log_policy, sequence_batch
from ledger.verify import main as verify_receipt
from marketplace.access.services import authorise
from marketplace.delivery.models import DeliveryTable, Segment, SegmentBatch, SegmentCut
from marketplace.delivery.services import files_for, refresh_table
from marketplace.delivery.tables import refresh
from marketplace.delivery.tables.files import read_chunks
from marketplace.delivery.tables.recording import RECORD_REST, listings_to_record, record_segments
from marketplace.delivery.tables.sweeping import erase_tables
from marketplace.delivery.tasks import record_segments_task
from tests.builders_delivery import bearer, day_start, minutes
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db
EMPTY = hashlib.sha256(b"").hexdigest()


def recorded(listing, at):
    batch = record_segments(listing=listing, at=at)
    sequence_batch(at=at)
    return batch, json.loads(bytes(Entry.objects.get(entry_id=batch.entry_id).body))


def proof_of(client, bought, segment):
    return client.get(f"/data/files/{segment.public_id}/proof", headers=bought.headers)


def test_files_that_came_are_one_entry_and_nothing_is_said_twice(bought):
    batch, entry = recorded(bought.listing, bought.at)
    hashes = [bytes(one.sha256) for one in Segment.objects.order_by("pk")]
    assert (entry["kind"], entry["refs"]) == ("delivery.segments", [str(bought.listing.public_id)])
    assert (entry["version"], entry["added_count"], batch.hashes) == (1, len(hashes), hashes)
    assert entry["added_root"] == root_hash(map(leaf_hash, hashes)).hex()
    assert (entry["removed_count"], entry["removed_root"]) == (0, EMPTY)
    assert record_segments(listing=bought.listing, at=bought.at) is None
    assert all(not (one.rows or one.entries) for one in reconcile().differences if one.kind == "delivery.segments")


def test_a_busy_table_makes_one_entry_in_ten_minutes(bought, monkeypatch):
    monkeypatch.setattr(refresh, "MOST_PARTS", 2)
    assert listings_to_record(bought.at) == [bought.listing.pk]
    recorded(bought.listing, bought.at)
    assert listings_to_record(bought.at + RECORD_REST) == []
    old = {bytes(one.sha256) for one in Segment.objects.all()}
    for number in range(1, 4):
        bought.sender.send(minutes(day_start(bought.at, 1) + timedelta(hours=number), 3), bought.at)
        refresh_table(listing=bought.listing, at=bought.at + timedelta(seconds=number))
    assert listings_to_record(bought.at + timedelta(minutes=1)) == []
    assert listings_to_record(bought.at + RECORD_REST) == [bought.listing.pk]
    batch, entry = recorded(bought.listing, bought.at + RECORD_REST)
    assert entry["added_count"] == Segment.objects.filter(batch=batch).count() > 1
    removed = {bytes(one.sha256) for one in Segment.objects.filter(removal_batch=batch)}
    assert entry["removed_count"] == Segment.objects.exclude(removed_version=None).count()
    assert removed & old


def test_a_delivered_file_is_checked_with_its_proof_alone(bought, client, tmp_path):
    for number in (1, 2):
        bought.sender.send(minutes(day_start(bought.at, 1 + number), 3), bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    recorded(bought.listing, bought.at)
    for segment in Segment.objects.current():
        answer = proof_of(client, bought, segment).json()
        content = b"".join(read_chunks(segment.path, 0, segment.size))
        leaf = leaf_hash(hashlib.sha256(content).digest())
        path = [bytes.fromhex(one) for one in answer["path"]]
        verify_inclusion(leaf, answer["index"], answer["count"], path, bytes.fromhex(answer["root"]))
        assert json.loads(answer["entry"])["added_root"] == answer["root"]
        files = {"p": log_policy().text(), "e": answer["entry"], "r": answer["receipt"]}
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        # Good, but for the witnesses that the log of this test does not have.
        arguments = [str(tmp_path / "r"), "--entry", str(tmp_path / "e"), "--policy", str(tmp_path / "p")]
        assert verify_receipt(arguments) == 2


def test_a_proof_waits_for_its_entry(bought, client):
    response = proof_of(client, bought, Segment.objects.get())
    assert (response.status_code, response["Retry-After"]) == (503, "600")
    record_segments(listing=bought.listing, at=bought.at)
    assert proof_of(client, bought, Segment.objects.get()).status_code == 503


def test_no_proof_for_strangers_and_of_cuts(bought, client):
    recorded(bought.listing, bought.at)
    segment = Segment.objects.get()
    address = f"/data/files/{segment.public_id}/proof"
    assert client.get(address).status_code == 401
    assert client.get(address, headers=bearer("osm_" + "x" * 43)).status_code == 401
    purchase = bought.token.purchase
    purchase.window_until = segment.last_at
    purchase.save(update_fields=["window_until"])
    grant = authorise(token=bought.text, at=timezone.now())
    (file,) = files_for(grant, version=1)
    assert SegmentCut.objects.get().public_id == file.public_id
    assert client.get(f"/data/files/{file.public_id}/proof", headers=bought.headers).json()["errorCode"] == "no_proof"
    assert client.get(address, headers=bought.headers).status_code == 404


def test_erasing_tells_which_files_went(bought, sara):
    sha256 = bytes(Segment.objects.get().sha256)
    recorded(bought.listing, bought.at)
    erase_tables(tables=DeliveryTable.objects.all(), at=bought.at)
    sequence_batch(at=bought.at)
    batch = SegmentBatch.objects.latest("pk")
    entry = json.loads(bytes(Entry.objects.get(entry_id=batch.entry_id).body))
    assert (entry["added_count"], entry["removed_count"]) == (0, 1)
    assert entry["removed_root"] == leaf_hash(sha256).hex()
    assert not Segment.objects.exists()
    assert all(not (one.rows or one.entries) for one in reconcile().differences if one.kind == "delivery.segments")


@pytest.mark.django_db(transaction=True)
def test_two_workers_say_it_once(bought):
    answers = at_once([partial(record_segments_task, bought.listing.pk)] * 4)
    assert answers == [None] * 4
    assert SegmentBatch.objects.count() == 1
    assert OutboxRow.objects.filter(kind="delivery.segments").count() == 1
