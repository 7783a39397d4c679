"""Whoever has the application's role writes heads and tiles of his own. The signer signs none of them."""

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import signed_heads
from ledger.errors import LogDamaged
from ledger.freezing import current_freeze
from ledger.merkle import leaf_hash, root_hash
from ledger.models import Alarm, Checkpoint, LogHead
from ledger.notes import TreeHead
from ledger.services import sequence_batch
from ledger.signing import sign_checkpoint
from tests.builders_ledger import leaves, submit_many, tamper

pytestmark = pytest.mark.django_db(transaction=True)

FORGED = b"forged, never submitted"
INSERT_ENTRY = """
    INSERT INTO ledger_entry (index, entry_id, kind, key, at, refs, body, leaf_hash, committed_at)
    VALUES (%s, gen_random_uuid(), 'x', gen_random_uuid(), now(), '{}', %s, %s, now())
"""
INSERT_TILE = "INSERT INTO ledger_tile (level, number, width, hashes) VALUES (%s, %s, %s, %s)"
MOVE_HEAD = "UPDATE ledger_loghead SET size = %s, root_hash = %s, note = %s"


def commit(count, at):
    submit_many(count, at)
    return sequence_batch(at=at)


def execute(*statements):
    with transaction.atomic(), connection.cursor() as cursor:
        for sql, values in statements:
            cursor.execute(sql, values)


def forge(note):
    """Append an entry past the sequencer, with its tile and its head."""
    forged = [*leaves(), leaf_hash(FORGED)]
    size = len(forged)
    execute(
        (INSERT_ENTRY, [size - 1, FORGED, forged[-1]]),
        (f"WITH tile AS ({INSERT_TILE}) {MOVE_HEAD}", [0, 0, size, b"".join(forged), size, root_hash(forged), note]),
    )


def test_an_unsigned_head_is_refused_by_the_database(now):
    commit(3, now)
    with pytest.raises(IntegrityError, match="without a signature"):
        forge("")
    assert commit(1, now) == 1


@pytest.mark.parametrize("size", [4, 4_000_000_000])
def test_a_head_that_counts_other_entries_is_refused_by_the_database(now, size):
    commit(3, now)
    with pytest.raises(IntegrityError, match="does not count"):
        execute((MOVE_HEAD, [size, b"x" * 32, "anything"]))
    assert commit(1, now) == 1


def other_text():
    return LogHead.objects.get().note


def other_signature():
    return other_text().replace("\n3\n", "\n4\n")


@pytest.mark.parametrize("note", ["anything", "a\n\n\u2014 a aGVsbG8gd29ybGQ=\n", other_text, other_signature])
@pytest.mark.parametrize("is_known", [True, False])
def test_nothing_is_signed_on_top_of_a_head_that_was_not(now, monkeypatch, note, is_known):
    commit(3, now)
    signed = list(Checkpoint.objects.values_list("note", flat=True))
    forge(note() if callable(note) else note)
    if not is_known:
        monkeypatch.setattr(signed_heads, "_believed", {})
    submit_many(1, now)
    for _ in range(2):
        with pytest.raises(LogDamaged):
            sequence_batch(at=now)
    assert list(Checkpoint.objects.values_list("note", flat=True)) == signed
    assert [alarm.code for alarm in Alarm.objects.all()] == ["log_damaged"]
    assert current_freeze() is None


def test_an_unsigned_head_is_not_signed_even_where_the_database_let_it_pass(now):
    commit(3, now)
    tamper("UPDATE ledger_loghead SET note = ''")
    with pytest.raises(LogDamaged, match="is not signed"):
        commit(1, now)
    assert LogHead.objects.get().note == ""


def test_another_process_goes_on_with_a_head_that_was_signed(now, monkeypatch):
    commit(3, now)
    monkeypatch.setattr(signed_heads, "_believed", {})
    assert commit(2, now) == 2


def test_an_empty_log_with_another_root_is_not_signed(now):
    tamper("UPDATE ledger_loghead SET root_hash = decode(repeat('00', 32), 'hex')")
    with pytest.raises(LogDamaged):
        commit(1, now)


def test_a_head_of_another_log_is_not_ours(now, settings):
    commit(3, now)
    head = LogHead.objects.get()
    settings.LEDGER_ORIGIN = "other.invalid/log"
    note = sign_checkpoint(TreeHead("other.invalid/log", head.size, bytes(head.root_hash)).text())
    settings.LEDGER_ORIGIN = "ownstream.invalid/log"
    execute((MOVE_HEAD, [3, bytes(head.root_hash), note]))
    with pytest.raises(LogDamaged):
        commit(1, now)


@pytest.mark.parametrize(
    ("level", "number", "width"), [(0, 0, 1), (0, 0, 6), (0, 0, 256), (0, 1, 1), (1, 0, 1), (7, 0, 1), (0, 2**62, 256)]
)
def test_a_tile_that_no_checkpoint_showed_is_refused(now, level, number, width):
    commit(5, now)
    with pytest.raises(IntegrityError, match="not one of the signed log"):
        execute((INSERT_TILE, [level, number, width, b"E" * 32 * width]))
    assert commit(1, now) == 1
