import json
from datetime import datetime, timedelta, timezone
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import DatabaseError, transaction

from ledger.entries import read_head
from ledger.errors import EntryError, EntryNotCanonical, EntryRepeated, EntryTooLarge
from ledger.models import CommitmentSecret, Entry, OutboxRow
from ledger.services import commit_subject, find_entry, sequence_batch, submit_entry
from tests.builders_ledger import submit

pytestmark = pytest.mark.django_db


def test_writes_one_waiting_record(now, django_assert_num_queries):
    key = uuid4()
    with django_assert_num_queries(1):
        entry_id = submit_entry(
            kind="device.enrolled", body={"device": "ab", "count": 3}, key=key, at=now, refs=["r-1", str(key)]
        )
    row = OutboxRow.objects.get()
    assert (row.kind, row.key, row.entry_id, row.submitted_at) == ("device.enrolled", key, entry_id, now)
    assert (
        bytes(row.body)
        == (
            '{"at":"2026-03-14T09:26:53.000000Z","count":3,"device":"ab",'
            f'"id":"{entry_id}","kind":"device.enrolled","refs":["r-1","{key}"],"v":1}}'
        ).encode()
    )
    assert find_entry(entry_id) is None


def test_the_entry_id_is_a_uuid_ordered_by_time(now):
    first, second = submit(now), submit(now + timedelta(milliseconds=1))
    assert (first.version, second.version) == (7, 7)
    assert first.variant == UUID(int=uuid4().int).variant
    assert first < second


def test_the_time_is_written_in_utc(now):
    local = now.astimezone(timezone(timedelta(hours=5, minutes=30)))
    submit(local)
    assert json.loads(bytes(OutboxRow.objects.get().body))["at"] == "2026-03-14T09:26:53.000000Z"


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"body": {"price": 1.5}}, EntryNotCanonical),
        ({"body": {"price": 2**53}}, EntryNotCanonical),
        ({"body": {"preis_€": 1}}, EntryNotCanonical),
        ({"body": {"text": "\udfff"}}, EntryNotCanonical),
        ({"body": {"id": "mine"}}, EntryNotCanonical),
        ({"body": {"v": 2}}, EntryNotCanonical),
        ({"body": {"text": "x" * 8192}}, EntryTooLarge),
        ({"kind": ""}, EntryNotCanonical),
        ({"kind": "Device.Enrolled"}, EntryNotCanonical),
        ({"kind": "device"}, EntryNotCanonical),
        ({"kind": "device.enrolled\n"}, EntryNotCanonical),
        ({"kind": "d." + "e" * 63}, EntryNotCanonical),
        ({"refs": ['a"b']}, EntryNotCanonical),
        ({"refs": ["a\x00"]}, EntryNotCanonical),
        ({"refs": [""]}, EntryNotCanonical),
        ({"refs": "text"}, EntryNotCanonical),
        ({"refs": [7]}, EntryNotCanonical),
        ({"refs": ["r"] * 65}, EntryNotCanonical),
        ({"at": datetime(2026, 1, 1)}, EntryNotCanonical),
    ],
)
def test_refuses_and_writes_nothing(now, change, refusal):
    record = {"kind": "device.enrolled", "body": {}, "key": uuid4(), "at": now, "refs": []}
    with pytest.raises(refusal):
        submit_entry(**(record | change))
    assert not OutboxRow.objects.exists()


def test_refuses_a_repeat_that_waits(now):
    key = uuid4()
    submit(now, key=key)
    with pytest.raises(EntryRepeated):
        submit(now, key=key, other=1)
    assert OutboxRow.objects.count() == 1


def test_refuses_a_repeat_of_an_entry_and_leaves_the_transaction_usable(now):
    key = uuid4()
    submit(now, key=key)
    sequence_batch(at=now)
    with transaction.atomic():
        with pytest.raises(EntryRepeated):
            submit(now, key=key)
        submit(now, kind="device.retired", key=key)
    assert OutboxRow.objects.get().kind == "device.retired"


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_caller_leaves_nothing(now):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        submit(now)
        commit_subject(kind="person", subject_id=uuid4())
        1 / 0  # noqa: B018 - any failure will do
    assert not OutboxRow.objects.exists()
    assert not CommitmentSecret.objects.exists()
    assert sequence_batch(at=now) == 0


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 8193])
def test_the_database_refuses_a_body_of_another_size(now, body):
    with pytest.raises(DatabaseError):
        OutboxRow.objects.create(kind="a.b", key=uuid4(), entry_id=uuid4(), body=body, submitted_at=now)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"v": True},
        {"v": None},
        {"kind": "x"},
        {"id": "no"},
        {"id": "018F0000-0000-7000-8000-000000000000"},
        {"at": "2026-03-14T09:26:53Z"},
        {"at": "2026-02-30T09:26:53.000000Z"},
        {"at": 7},
        {"refs": "r"},
        {"refs": [1]},
    ],
)
def test_reading_refuses_other_common_fields(now, change):
    submit(now)
    good = orjson.loads(bytes(OutboxRow.objects.get().body))
    with pytest.raises(EntryError):
        read_head(orjson.dumps(good | change, option=orjson.OPT_SORT_KEYS))


def test_a_subject_has_one_handle_and_shares_it_with_none():
    person, other = uuid4(), uuid4()
    handle = commit_subject(kind="person", subject_id=person)
    assert len(bytes.fromhex(handle)) == 32
    assert commit_subject(kind="person", subject_id=person) == handle
    assert commit_subject(kind="person", subject_id=other) != handle
    assert commit_subject(kind="device", subject_id=person) != handle
    assert CommitmentSecret.objects.count() == 3


def test_without_the_key_the_handle_cannot_be_had_again():
    person = uuid4()
    handle = commit_subject(kind="person", subject_id=person)
    CommitmentSecret.objects.filter(subject_id=person).delete()
    assert commit_subject(kind="person", subject_id=person) != handle


def test_for_ids_answers_only_for_entries(now):
    recorded = [submit(now), submit(now)]
    sequence_batch(at=now)
    waiting = submit(now)
    assert Entry.objects.for_ids([*recorded, waiting]) == {recorded[0]: 0, recorded[1]: 1}
