"""What goes wrong around the sequencer while it is at work: nothing false is signed, and nothing is lost."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection

from ledger import faults
from ledger.models import Checkpoint, Entry, LogFreeze, OutboxRow
from ledger.sequencer import signer_memory
from ledger.services import sequence_batch, verify_log
from tests.builders_ledger import submit_many
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watch(monkeypatch) -> Callable[[str, Callable[[], Any]], None]:
    """Do something once, as the sequencer passes a named place."""
    monkeypatch.setattr(faults, "_watchers", [])

    def act_at(place: str, act: Callable[[], Any]) -> None:
        waiting = [act]
        faults.watch_faults(lambda passed: waiting.pop()() if passed == place and waiting else None)

    return act_at


def cut_connection(pid: int) -> None:
    """End the sequencer's session from another one, as a failing network would."""

    def cut() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(cut).result()


@pytest.mark.parametrize("place", ["before_select", "after_entries", "after_tree", "before_commit"])
def test_the_lock_connection_is_cut_in_mid_batch(now, watch, place):
    submit_many(5, now)
    sequence_batch(at=now)
    submit_many(7, now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    watch(place, lambda: cut_connection(pid))
    with pytest.raises((DatabaseError, psycopg.Error)):
        sequence_batch(at=now)
    connection.close()
    assert (Entry.objects.count(), OutboxRow.objects.count(), signer_memory().recall().size) == (5, 7, 5)
    assert sequence_batch(at=now) == 7
    assert signer_memory().recall().size == 12
    assert verify_log().is_good
    assert not LogFreeze.objects.exists()


def test_the_connection_is_cut_after_the_commit(now, watch):
    """The batch stands; the signer may not know it yet, and goes on from what it knows."""
    submit_many(5, now)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    watch("after_commit", lambda: cut_connection(pid))
    with pytest.raises((DatabaseError, psycopg.Error)):
        sequence_batch(at=now)
    connection.close()
    assert Entry.objects.count() == 5
    submit_many(1, now)
    assert sequence_batch(at=now) == 1
    assert signer_memory().recall().size == 6


@contextmanager
def full_disk(table):
    """The server refuses the rows as it does when it finds no room for them."""
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION find_no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;"
            f" CREATE TRIGGER find_no_room AFTER INSERT ON {table} EXECUTE FUNCTION find_no_room()"
        )
    yield
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION find_no_room CASCADE")


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_tile"])
@pytest.mark.parametrize("count", [7, 600])
def test_a_full_disk_loses_nothing(now, table, count):
    submit_many(5, now)
    sequence_batch(at=now)
    submit_many(count, now)
    with full_disk(table):
        for _ in range(2):
            with pytest.raises(OperationalError, match="No space left"):
                sequence_batch(at=now)
    assert (Entry.objects.count(), OutboxRow.objects.count(), signer_memory().recall().size) == (5, count, 5)
    assert sequence_batch(at=now) == count
    assert verify_log().is_good


def test_a_memory_that_cannot_be_written_stops_the_signer_before_it_signs(now):
    submit_many(5, now)
    sequence_batch(at=now)
    path = signer_memory().path
    kept = path.rename(path.with_suffix(".away"))
    path.mkdir()
    submit_many(7, now)
    with pytest.raises(Exception, match="cannot be used"):
        sequence_batch(at=now)
    assert Entry.objects.count() == 5
    path.rmdir()
    kept.rename(path)
    assert sequence_batch(at=now) == 7


def test_a_clock_that_jumps_back_changes_no_order(now):
    for hours in (0, -48, 1, -1):
        at = now + timedelta(hours=hours)
        submit_many(2, at)
        assert sequence_batch(at=at) == 2
    assert list(Entry.objects.order_by("index").values_list("index", flat=True)) == list(range(8))
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [0, 2, 4, 6, 8]
    assert verify_log().is_good
    assert not LogFreeze.objects.exists()
