from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from ledger.errors import EntryRepeated
from ledger.locks import SEQUENCING
from ledger.models import Checkpoint, CommitmentSecret, Entry, LogHead, OutboxRow
from ledger.sequencer import _commit_batch
from ledger.services import commit_subject, find_entry, sequence_batch, verify_log
from tests.builders_ledger import submit, submit_many

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run each act in a thread with a connection of its own, all starting together; return results or exceptions."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=10)
            return act()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_many_submitters_and_two_sequencers_lose_and_double_nothing(now):
    is_done = Event()

    def submit_some() -> list[Any]:
        return [submit(now) for _ in range(100)]

    def sequence() -> int:
        taken = 0
        while not is_done.is_set() or OutboxRow.objects.exists():
            taken += sequence_batch(at=now, limit=37)
        return taken

    def submit_all() -> list[Any]:
        try:
            return at_once([submit_some] * 6)
        finally:
            is_done.set()

    submitted, first, second = at_once([submit_all, sequence, sequence])
    assert first + second == 600
    by_submitter = [[find_entry(entry_id).index for entry_id in ids] for ids in submitted]
    assert sorted(index for indices in by_submitter for index in indices) == list(range(600))
    assert all(indices == sorted(indices) for indices in by_submitter)
    assert verify_log().is_good


def test_a_second_sequencer_does_nothing_while_the_first_is_elected(now):
    submit(now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [SEQUENCING])
        try:
            assert at_once([lambda: sequence_batch(at=now)]) == [0]
            assert OutboxRow.objects.count() == 1
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SEQUENCING])
    assert at_once([lambda: sequence_batch(at=now)]) == [1]


def test_the_head_is_a_fence_when_the_election_fails(now):
    """Two processes that both believe to be elected, as after a lost session, still append one after the other."""
    submit_many(200, now)

    def commit() -> int:
        return sum(_commit_batch(now, 25)[0] for _ in range(5))

    assert sum(at_once([commit, commit])) == 200
    assert (LogHead.objects.get().size, Entry.objects.count()) == (200, 200)
    assert verify_log().is_good


def test_a_transaction_that_stays_open_across_batches_is_not_forgotten(now):
    """Its outbox id is the smallest, yet it becomes visible last."""
    is_written, may_commit = Event(), Event()

    def slow() -> Any:
        with transaction.atomic():
            entry_id = submit(now)
            is_written.set()
            assert may_commit.wait(timeout=10)
        return entry_id

    def fast() -> list[Any]:
        try:
            assert is_written.wait(timeout=10)
            ids = []
            for _ in range(3):
                ids.append(submit(now))
                assert sequence_batch(at=now) == 1
            return ids
        finally:
            may_commit.set()

    slow_id, fast_ids = at_once([slow, fast])
    assert find_entry(slow_id) is None
    assert sequence_batch(at=now) == 1
    assert [find_entry(entry_id).index for entry_id in [*fast_ids, slow_id]] == [0, 1, 2, 3]
    assert verify_log().is_good


def test_one_of_two_equal_records_at_once_is_refused(now):
    key = uuid4()
    results = at_once([lambda: submit(now, key=key)] * 4)
    assert sum(isinstance(result, EntryRepeated) for result in results) == 3
    assert OutboxRow.objects.count() == 1


def test_a_subjects_key_is_made_once(now):
    person = uuid4()
    handles = at_once([lambda: commit_subject(kind="person", subject_id=person)] * 6)
    assert len(set(handles)) == 1
    assert CommitmentSecret.objects.count() == 1


def test_the_empty_log_is_signed_once(now):
    assert at_once([lambda: sequence_batch(at=now)] * 4) == [0] * 4
    assert Checkpoint.objects.count() == 1
