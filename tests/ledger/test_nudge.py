import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import pytest
import redis
from celery import current_app
from django.db import transaction

from ledger import nudge, tasks
from ledger.freezing import freeze_log
from ledger.models import Checkpoint, Entry, OutboxRow
from ledger.services import sequence_batch
from ledger.tasks import sequence_task
from tests.builders_ledger import submit, submit_many

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = "ledger"


@pytest.fixture(autouse=True)
def queue() -> Iterator[None]:
    """Start with no nudge pending and an empty queue."""
    nudge._rest["until"] = 0.0
    nudge.clear_nudge()
    with current_app.connection_for_write() as broker:
        broker.default_channel.client.delete(QUEUE)
    yield
    nudge._rest["until"] = 0.0


def queued() -> int:
    with current_app.connection_for_write() as broker:
        return int(broker.default_channel.client.llen(QUEUE))


def test_a_commit_nudges_once_however_many_records_follow(now):
    for _ in range(3):
        submit(now)
    with transaction.atomic():
        submit_many(5, now)
    assert queued() == 1


def test_a_rollback_does_not_nudge(now):
    with transaction.atomic():
        submit(now)
        transaction.set_rollback(True)
    assert queued() == 0


def test_what_is_submitted_after_the_task_began_nudges_anew(now):
    submit(now)
    sequence_task()
    submit(now)
    assert queued() == 2
    assert Entry.objects.count() == 1


def test_the_task_empties_the_outbox(now):
    submit_many(2500, now)
    sequence_task()
    assert (Entry.objects.count(), OutboxRow.objects.count()) == (2500, 0)
    sequence_task()
    assert Entry.objects.count() == 2500


def test_a_task_that_did_not_finish_asks_for_another(now, monkeypatch):
    monkeypatch.setattr(tasks, "MOST_BATCHES", 1)
    monkeypatch.setattr(tasks, "sequence_batch", partial(sequence_batch, limit=10))
    submit_many(11, now)
    before = queued()
    sequence_task()
    assert OutboxRow.objects.count() == 1
    assert queued() == before + 1


def test_under_load_checkpoints_are_a_quarter_of_a_second_apart(now, monkeypatch):
    monkeypatch.setattr(tasks, "sequence_batch", partial(sequence_batch, limit=10))
    submit_many(35, now)
    sequence_task()
    assert not OutboxRow.objects.exists()
    signed = list(Checkpoint.objects.filter(size__gt=0).order_by("size").values_list("signed_at", flat=True))
    assert len(signed) == 4
    gaps = [(later - sooner).total_seconds() for sooner, later in pairwise(signed)]
    assert all(0.249 <= gap < 0.6 for gap in gaps)


def test_the_first_record_after_a_rest_is_committed_at_once(now, monkeypatch):
    monkeypatch.setitem(tasks._newest, "began", time.monotonic() - 1)
    submit(now)
    started = time.monotonic()
    sequence_task()
    assert time.monotonic() - started < 0.2
    assert Entry.objects.count() == 1


def test_while_the_log_is_frozen_records_wait(now):
    submit(now)
    freeze_log(code="log_forked", sentence="It forked.", evidence={}, at=now)
    before = queued()
    sequence_task()
    assert (OutboxRow.objects.count(), Entry.objects.count(), Checkpoint.objects.count()) == (1, 0, 0)
    assert queued() == before


@pytest.mark.parametrize("address", ["unix:///nowhere/valkey.sock", "redis://127.0.0.1:1/0"])
def test_a_dead_redis_does_not_stop_a_submit(now, settings, address, caplog):
    settings.CACHE_URL = address
    started = time.monotonic()
    for _ in range(5):
        submit(now)
    assert time.monotonic() - started < 2
    assert OutboxRow.objects.count() == 5
    assert [record.message for record in caplog.records].count("ledger.nudge_failed") == 1
    sequence_task()
    assert Entry.objects.count() == 5


def test_a_dead_broker_does_not_stop_a_submit(now, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr(current_app._get_current_object(), "send_task", refuse)
    submit(now)
    assert OutboxRow.objects.count() == 1
