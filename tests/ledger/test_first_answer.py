"""Database and memory come back together from a snapshot: only a witness knows better, and the signer waits for one."""

import pytest
from django.utils import timezone

from ledger import first_answer
from ledger.freezing import current_freeze
from ledger.models import Alarm, LogHead
from ledger.sequencer import signer_memory
from ledger.services import sequence_batch
from ledger.startup import compare_at_start
from ledger.witnessing import gather_cosignatures
from tests.builders_ledger import submit_many
from tests.ledger.restoring import restore

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(first_answer, "PAUSE_SECONDS", 0.01)


def commit(count):
    submit_many(count, timezone.now())
    return sequence_batch(at=timezone.now())


def go_back():
    """Everything of this machine is as it was after three entries."""
    commit(3)
    kept = signer_memory().path.read_bytes()
    commit(2)
    gather_cosignatures(at=timezone.now())
    restore(3)
    signer_memory().path.write_bytes(kept)


def test_a_snapshot_is_not_signed_on_while_the_witnesses_are_silent(anna):
    go_back()
    anna.kill()
    compare_at_start()
    assert (commit(2), commit(2)) == (0, 0)
    assert (LogHead.objects.get().size, current_freeze()) == (3, None)
    anna.start()
    assert commit(1) == 0
    assert (LogHead.objects.get().size, current_freeze().code) == (3, "log_rolled_back")


def test_the_first_answer_lets_an_honest_log_go_on(anna):
    commit(3)
    gather_cosignatures(at=timezone.now())
    anna.kill()
    compare_at_start()
    assert commit(2) == 0
    anna.start()
    assert sequence_batch(at=timezone.now()) == 2
    anna.kill()
    assert commit(1) == 1
    assert not Alarm.objects.exists()


def test_who_answers_at_the_start_holds_up_nothing(anna):
    commit(3)
    gather_cosignatures(at=timezone.now())
    compare_at_start()
    anna.kill()
    assert commit(2) == 2


def test_a_witness_that_never_saw_the_log_holds_up_nothing(anna):
    compare_at_start()
    assert commit(2) == 2


def test_lasting_silence_is_an_alarm_and_no_end(anna, monkeypatch):
    commit(3)
    gather_cosignatures(at=timezone.now())
    anna.kill()
    compare_at_start()
    monkeypatch.setattr(first_answer, "PATIENCE_SECONDS", 0.0)
    assert commit(2) == 2
    assert [alarm.code for alarm in Alarm.objects.all()] == ["start_unwitnessed"]


def test_without_witnesses_nobody_waits():
    compare_at_start()
    assert commit(2) == 2
