"""What somebody wrote into the outbox or the log past the application holds up the log, and is told once."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection

from ledger.blocking import REUSED
from ledger.entries import entry_bytes
from ledger.errors import EntryError
from ledger.inspection import find_blocking_row, refusal_of
from ledger.merkle import leaf_hash
from ledger.models import Alarm, Entry, OutboxRow
from ledger.services import sequence_batch
from tests.builders_ledger import submit, submit_many, tamper

pytestmark = pytest.mark.django_db(transaction=True)


def commit(count, at):
    submit_many(count, at)
    return sequence_batch(at=at)


def poison(at, body, entry_id=None):
    return OutboxRow.objects.create(kind="a.b", key=uuid4(), entry_id=entry_id or uuid4(), body=body, submitted_at=at)


def refused_twice(at, refusal):
    for _ in range(2):
        with pytest.raises(refusal):
            commit(1, at)
    (alarm,) = Alarm.objects.all()
    return alarm


def test_bad_bytes_are_an_alarm_that_names_the_row(now, client):
    commit(1, now)
    row = poison(now, b"{ }")
    alarm = refused_twice(now, EntryError)
    assert (alarm.code, alarm.evidence["row_id"], alarm.evidence["body"]) == ("record_refused", row.pk, b"{ }".hex())
    assert str(row.pk) in alarm.sentence
    assert client.get("/health").json()["log"]["blocked_by"] == row.pk


def test_an_entry_id_used_again_is_an_alarm_that_names_the_row(now, client):
    commit(1, now)
    known = Entry.objects.get().entry_id
    row = poison(now, entry_bytes(kind="a.b", entry_id=known, at=now, refs=[], body={}), known)
    alarm = refused_twice(now, IntegrityError)
    assert (alarm.code, alarm.evidence["row_id"]) == ("record_refused", row.pk)
    assert alarm.sentence.endswith(REUSED)
    assert find_blocking_row() == row
    assert client.get("/health").json()["log"]["blocked_by"] == row.pk
    row.delete()
    assert sequence_batch(at=now) == 2


def test_a_record_that_was_committed_before_blocks_nothing(now):
    key = uuid4()
    submit(now, key=key)
    sequence_batch(at=now)
    entry = Entry.objects.get()
    OutboxRow.objects.create(
        kind=entry.kind, key=key, entry_id=entry.entry_id, body=bytes(entry.body), submitted_at=now
    )
    assert find_blocking_row() is None
    assert refusal_of(OutboxRow.objects.get()) == ""
    assert sequence_batch(at=now) == 1


def test_what_was_planted_in_the_log_is_an_alarm(now):
    commit(1, now)
    body = entry_bytes(kind="a.b", entry_id=uuid4(), at=now, refs=[], body={})
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_entry (index, entry_id, kind, key, at, refs, body, leaf_hash, committed_at)"
            " VALUES (1, gen_random_uuid(), 'a.b', gen_random_uuid(), now(), '{}', %s, %s, now())",
            [body, leaf_hash(body)],
        )
    alarm = refused_twice(now, DatabaseError)
    assert (alarm.code, "past the sequencer" in alarm.sentence) == ("log_damaged", True)
    tamper("DELETE FROM ledger_entry WHERE index = 1")
    assert sequence_batch(at=now) == 2
