"""A sequencer that starts compares the log with everybody who remembers it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone

from ledger.freezing import current_freeze, lift_freeze
from ledger.models import Checkpoint, LogHead, OutboxRow, WitnessMemory
from ledger.sequencer import signer_memory
from ledger.services import sequence_batch
from ledger.startup import compare_head
from ledger.tasks import QUEUE, require_key
from ledger.witnessing import gather_cosignatures
from marketplace.celery import app
from tests.builders_ledger import submit_many
from tests.ledger.restoring import restore

pytestmark = pytest.mark.django_db(transaction=True)


def commit(count):
    submit_many(count, timezone.now())
    sequence_batch(at=timezone.now())


def start():
    """What celery does as the worker of the sequencer's queue begins."""
    app.amqp.queues.select([QUEUE])
    try:
        require_key(sender=SimpleNamespace(app=app))
    finally:
        app.amqp.queues.select(None)


def forget(settings):
    """The signer's memory is put back together with the database: it knows no better."""
    settings.LEDGER_MEMORY_FILE = Path(f"{settings.LEDGER_MEMORY_FILE}.restored")


def test_a_good_log_starts(anna):
    commit(3)
    gather_cosignatures(at=timezone.now())
    commit(4)
    start()
    assert current_freeze() is None
    compared = compare_head(timezone.now())
    assert [(who, head.size) for who, head in compared.agreeing] == [
        ("The signer's memory", 7),
        ("The witness anna", 3),
    ]
    assert (compared.size, compared.unread) == (7, [])


def test_an_older_log_starts_frozen_and_stays_so(anna, settings):
    commit(3)
    commit(4)
    gather_cosignatures(at=timezone.now())
    restore(3)
    forget(settings)
    start()
    freeze = current_freeze()
    assert freeze.code == "log_rolled_back"
    assert freeze.sentence.startswith("The witness anna knows 7 entries of this log, and it has only 3")
    submit_many(2, timezone.now())
    start()
    assert sequence_batch(at=timezone.now()) == 0
    assert (LogHead.objects.get().size, OutboxRow.objects.count(), Checkpoint.objects.count()) == (3, 2, 2)
    assert current_freeze() == freeze


def test_a_forked_log_starts_frozen(anna, settings):
    commit(3)
    commit(4)
    gather_cosignatures(at=timezone.now())
    restore(3)
    forget(settings)
    commit(9)
    start()
    freeze = current_freeze()
    assert freeze.code == "log_forked"
    assert freeze.evidence["known_by"] == "The witness anna"
    assert freeze.evidence["known"].split("\n")[1] == "7"
    shown = WitnessMemory.objects.get(name="anna")
    assert (shown.state, shown.sentence) == (WitnessMemory.State.ALARM, freeze.sentence)
    # Whoever lifts it all the same meets it again at the next start.
    lift_freeze(by="mallory", reason="Because.", at=timezone.now())
    start()
    assert current_freeze() is not None


def test_silent_witnesses_keep_nobody_from_starting(anna):
    commit(3)
    gather_cosignatures(at=timezone.now())
    anna.kill()
    start()
    assert current_freeze() is None


def test_a_damaged_memory_is_told_and_nothing_is_signed(anna, caplog):
    commit(3)
    signer_memory().path.write_bytes(b"nonsense")
    start()
    assert current_freeze() is None
    assert "is damaged" in compare_head(timezone.now()).unread[0]
