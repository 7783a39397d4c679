"""How the gatherer is woken: on a queue of its own, once for each batch, and by the sweep."""

from collections.abc import Iterator

import pytest
from celery import current_app
from django.conf import settings as configured

from ledger import nudge, tasks
from ledger.tasks import gather_cosignatures_task, sequence_task
from tests.builders_ledger import submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def queues() -> Iterator[None]:
    nudge._rest["until"] = 0.0
    nudge.clear_nudge()
    nudge.clear_gatherer_nudge()
    with current_app.connection_for_write() as broker:
        broker.default_channel.client.delete("ledger", "witness")
    yield
    nudge._rest["until"] = 0.0


def queued(name: str = "witness") -> int:
    with current_app.connection_for_write() as broker:
        return int(broker.default_channel.client.llen(name))


def test_a_batch_wakes_the_gatherer_once(now):
    for _ in range(3):
        submit(now)
        sequence_task()
    assert queued() == 1
    gather_cosignatures_task()
    submit(now)
    sequence_task()
    assert queued() == 2


def test_without_a_batch_nobody_is_woken():
    sequence_task()
    assert queued() == 0


def test_the_task_goes_on_while_newer_checkpoints_wait_and_then_hands_over(monkeypatch):
    answers = [True, True, False]
    monkeypatch.setattr(tasks, "gather_cosignatures", lambda at: answers.pop(0))
    gather_cosignatures_task()
    assert answers == []
    assert queued() == 0
    monkeypatch.setattr(tasks, "gather_cosignatures", lambda at: True)
    gather_cosignatures_task()
    assert queued() == 1


def test_the_sweep_finds_what_a_lost_nudge_left():
    swept = [row["task"] for row in configured.CELERY_BEAT_SCHEDULE.values()]
    assert nudge.GATHERING_TASK in swept
    assert gather_cosignatures_task.name == nudge.GATHERING_TASK
