from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from django.db import connection

from ledger import sequencer, statements
from ledger.entries import entry_bytes
from ledger.errors import EntryNotCanonical, LogDamaged, TileMissing
from ledger.merkle import EMPTY_ROOT, consistency_proof, inclusion_proof, leaf_hash, root_hash
from ledger.models import Checkpoint, Entry, LogHead, OutboxRow, Tile
from ledger.notes import TreeHead, parse_note, verify_note
from ledger.services import find_entry, prove_consistency, prove_inclusion, sequence_batch
from ledger.signing import log_verifier_key
from tests.builders_ledger import leaves, submit, submit_many, tamper
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db


def test_moves_waiting_records_into_the_log_in_their_order(now):
    ids = submit_many(5, now)
    bodies = [bytes(row.body) for row in OutboxRow.objects.order_by("id")]
    later = now + timedelta(seconds=1)
    assert sequence_batch(at=later) == 5
    entries = list(Entry.objects.order_by("index"))
    assert [entry.entry_id for entry in entries] == ids
    assert [entry.index for entry in entries] == [0, 1, 2, 3, 4]
    assert [bytes(entry.body) for entry in entries] == bodies
    assert [bytes(entry.leaf_hash) for entry in entries] == [leaf_hash(body) for body in bodies]
    assert {(entry.at, entry.committed_at) for entry in entries} == {(now, later)}
    assert all(entry.refs == [str(entry.key)] for entry in entries)
    assert not OutboxRow.objects.exists()


def test_signs_the_new_head(now):
    submit_many(3, now)
    sequence_batch(at=now)
    head = LogHead.objects.get()
    note = parse_note(head.note)
    assert verify_note(note, [log_verifier_key()])
    assert TreeHead.parse(note.text) == TreeHead("ownstream.invalid/log", 3, root_hash(leaves()))
    assert (head.size, head.updated_at) == (3, now)
    newest = Checkpoint.objects.get(size=3)
    assert (newest.note, bytes(newest.root_hash), newest.signed_at) == (head.note, bytes(head.root_hash), now)


def test_an_empty_outbox_signs_the_empty_log_once_and_then_nothing(now):
    assert sequence_batch(at=now) == 0
    assert sequence_batch(at=now) == 0
    checkpoint = Checkpoint.objects.get()
    assert (checkpoint.size, bytes(checkpoint.root_hash)) == (0, EMPTY_ROOT)
    assert LogHead.objects.get().note == checkpoint.note


def test_takes_no_more_than_the_limit(now):
    ids = submit_many(5, now)
    assert sequence_batch(at=now, limit=2) == 2
    assert [entry_id for entry_id in ids if find_entry(entry_id)] == ids[:2]
    assert sequence_batch(at=now, limit=2) == 2
    assert sequence_batch(at=now, limit=2) == 1
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [0, 2, 4, 5]


def test_uses_the_same_few_statements_for_one_record_and_for_many(now, monkeypatch):
    submit(now)
    sequence_batch(at=now)
    sent = []

    class Counting(psycopg.Cursor):
        def execute(self, query, *args, **kwargs):
            sent.append(query)
            return super().execute(query, *args, **kwargs)

    def noted(name):
        real = getattr(statements, name)

        def call(raw, *args):
            sent.append(name)
            return real(raw, *args)

        return call

    monkeypatch.setattr("ledger.statements.psycopg.Cursor", Counting)
    for name in ("begin_with", "copy_while_making"):
        monkeypatch.setattr(statements, name, noted(name))
    for count in (1, 600):
        submit_many(count, now)
        sequence_batch(at=now)
    assert len(sent) == 8
    assert sent[:4] == sent[4:]


def submit_past_the_check(now, key):
    """As two submissions of one record at once can, of which neither sees the other."""
    kind, entry_id = "device.enrolled", uuid4()
    body = entry_bytes(kind=kind, entry_id=entry_id, at=now, refs=[], body={})
    OutboxRow.objects.create(kind=kind, key=key, entry_id=entry_id, body=body, submitted_at=now)


def test_drops_a_repeat_of_an_entry_with_a_warning(now, caplog):
    key = uuid4()
    submit(now, key=key)
    sequence_batch(at=now)
    submit_past_the_check(now, key)
    other = submit(now)
    assert sequence_batch(at=now) == 2
    assert Entry.objects.count() == 2
    assert find_entry(other).index == 1
    assert not OutboxRow.objects.exists()
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == ["ledger.repeat_dropped"]


def test_only_repeats_leave_the_head_alone(now):
    key = uuid4()
    submit(now, key=key)
    sequence_batch(at=now)
    note = LogHead.objects.get().note
    submit_past_the_check(now, key)
    assert sequence_batch(at=now) == 1
    assert LogHead.objects.get().note == note


def test_every_proof_over_many_batches(now):
    sizes = [0]
    for count in (1, 1, 254, 1, 300, 3):
        submit_many(count, now)
        sequence_batch(at=now)
        sizes.append(sizes[-1] + count)
    tree = leaves()
    for size in sizes[1:]:
        assert bytes(Checkpoint.objects.get(size=size).root_hash) == root_hash(tree[:size])
        for index in {0, size // 2, size - 1, 255 % size}:
            assert prove_inclusion(index, size) == inclusion_proof(tree[:size], index)
        for old_size in sizes:
            if old_size <= size:
                assert prove_consistency(old_size, size) == consistency_proof(tree[:size], old_size)


def test_a_proof_takes_one_query(now, django_assert_num_queries):
    submit_many(600, now)
    sequence_batch(at=now)
    with django_assert_num_queries(1):
        prove_inclusion(100, 600)


def test_refuses_proofs_beyond_the_log(now):
    submit_many(2, now)
    sequence_batch(at=now)
    with pytest.raises(IndexError):
        prove_inclusion(2, 2)
    with pytest.raises(TileMissing):
        prove_inclusion(0, 300)


@pytest.fixture
def restart(monkeypatch):
    """A sequencer that has just started remembers no edge, and reads the stored one."""
    return lambda: monkeypatch.setattr(sequencer, "_newest_edge", {})


def test_stops_when_the_stored_tree_does_not_fit_the_head(now, restart):
    submit_many(3, now)
    sequence_batch(at=now)
    tamper("UPDATE ledger_tile SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE width = 3")
    submit(now)
    restart()
    with pytest.raises(LogDamaged):
        sequence_batch(at=now)
    assert LogHead.objects.get().size == 3
    assert OutboxRow.objects.count() == 1


def test_stops_when_the_edge_is_missing(now, restart):
    submit_many(3, now)
    sequence_batch(at=now)
    tamper("DELETE FROM ledger_tile")
    submit(now)
    restart()
    with pytest.raises(TileMissing):
        sequence_batch(at=now)
    assert Entry.objects.count() == 3
    assert not Tile.objects.exists()


def test_a_running_sequencer_goes_on_from_the_tree_that_it_signed(now):
    submit_many(3, now)
    sequence_batch(at=now)
    tamper("UPDATE ledger_tile SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1) WHERE width = 3")
    submit(now)
    assert sequence_batch(at=now) == 1
    assert LogHead.objects.get().root_hash == root_hash(leaves())
    assert bytes(Tile.objects.get(width=4).hashes) == b"".join(leaves())


def test_a_record_that_was_changed_is_named_and_nothing_is_signed(now, caplog):
    good, changed = submit_many(2, now)
    with owner_rights():
        OutboxRow.objects.filter(entry_id=changed).update(kind="device.retired")
    with pytest.raises(EntryNotCanonical):
        sequence_batch(at=now)
    (refused,) = [record for record in caplog.records if record.message == "ledger.record_refused"]
    assert refused.entry_id == str(changed)
    assert (Entry.objects.count(), OutboxRow.objects.count(), LogHead.objects.get().size) == (0, 2, 0)
    with owner_rights():
        OutboxRow.objects.filter(entry_id=changed).update(kind="device.enrolled")
    assert sequence_batch(at=now) == 2
    assert [find_entry(one).index for one in (good, changed)] == [0, 1]


def test_gives_the_election_back(now):
    sequence_batch(at=now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert cursor.fetchone() == (0,)
