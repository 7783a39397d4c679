"""A database that was put back, continued or cloned: the signer notices, signs nothing, and says why."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ledger.errors import LogForked, LogRolledBack, MemoryUnusable, TileMissing
from ledger.exporting import export_log
from ledger.freezing import current_freeze
from ledger.models import Alarm, Checkpoint, Entry, LogFreeze, LogHead, OutboxRow
from ledger.sequencer import signer_memory
from ledger.services import sequence_batch, verify_log
from ledger.signing import log_verifier_keys
from tests.builders_ledger import submit_many, tamper
from tests.ledger.restoring import restore

pytestmark = pytest.mark.django_db


def commit(count, at):
    submit_many(count, at)
    assert sequence_batch(at=at) == count


@pytest.fixture
def log(now):
    """300 entries, signed at 0, 260 and 300."""
    sequence_batch(at=now)
    commit(260, now)
    commit(40, now)


def fork(settings, now, count):
    """Another history after entry 260, signed by a signer that does not remember: a clone of database and key."""
    restore(260)
    own, settings.LEDGER_MEMORY_FILE = settings.LEDGER_MEMORY_FILE, Path(f"{settings.LEDGER_MEMORY_FILE}.clone")
    commit(count, now)
    settings.LEDGER_MEMORY_FILE = own


def assert_frozen(code, now, size):
    """Nothing was signed, the records wait, and asking again changes nothing."""
    freeze = LogFreeze.objects.get()
    assert (freeze.code, freeze.lifted_at, freeze.evidence["size"]) == (code, None, size)
    assert freeze.evidence["known"].split("\n")[1] == "300"
    assert Alarm.objects.get().evidence == freeze.evidence
    checkpoints = Checkpoint.objects.count()
    assert sequence_batch(at=now) == 0
    assert (LogHead.objects.get().size, Checkpoint.objects.count(), OutboxRow.objects.count()) == (size, checkpoints, 2)
    assert LogFreeze.objects.count() == 1


def test_a_good_log_goes_on(log, now):
    assert signer_memory().recall().size == 300
    commit(5, now)
    assert signer_memory().recall().size == 305
    assert not LogFreeze.objects.exists()
    assert verify_log().is_good


def test_an_older_database_is_refused(log, now):
    restore(260)
    assert verify_log().is_good
    submit_many(2, now)
    with pytest.raises(LogRolledBack, match="knows 300 entries of this log, and it has only 260"):
        sequence_batch(at=now)
    assert_frozen("log_rolled_back", now, 260)


def test_an_emptied_log_is_refused(log, now):
    restore(0)
    submit_many(2, now)
    with pytest.raises(LogRolledBack, match="has only 0"):
        sequence_batch(at=now)
    assert_frozen("log_rolled_back", now, 0)


@pytest.mark.parametrize("count", [40, 41, 600])
def test_an_older_database_that_went_on_with_other_records_is_refused(log, now, settings, count):
    """It may be exactly as large as what was signed, or larger: the root at the remembered size gives it away."""
    fork(settings, now, count)
    assert verify_log().is_good
    submit_many(2, now)
    with pytest.raises(LogForked, match="the first 300 entries are not those that were signed"):
        sequence_batch(at=now)
    assert_frozen("log_forked", now, 260 + count)


def test_a_fork_that_is_still_smaller_is_refused_as_rolled_back(log, now, settings):
    fork(settings, now, 39)
    submit_many(2, now)
    with pytest.raises(LogRolledBack):
        sequence_batch(at=now)
    assert_frozen("log_rolled_back", now, 299)


def test_a_memory_older_than_the_log_only_asks_for_a_continuation(log, now):
    """As after a crash between COMMIT and the file, or after a power cut."""
    older = signer_memory().path.read_bytes()
    commit(300, now)
    signer_memory().path.write_bytes(older)
    assert signer_memory().recall().size == 300
    commit(1, now)
    assert signer_memory().recall().size == 601


def test_tiles_that_are_gone_prove_nothing(log, now):
    older = signer_memory().path.read_bytes()
    commit(300, now)
    signer_memory().path.write_bytes(older)
    tamper("DELETE FROM ledger_tile WHERE level = 0 AND number = 1")
    submit_many(1, now)
    with pytest.raises(TileMissing):
        sequence_batch(at=now)
    assert LogHead.objects.get().size == 600
    assert Alarm.objects.get().code == "tile_missing"


def test_a_clone_without_the_memory_does_not_sign(log, now, settings):
    settings.IS_EMBEDDED = False
    settings.LEDGER_MEMORY_FILE = Path(f"{settings.LEDGER_MEMORY_FILE}.clone")
    submit_many(1, now)
    with pytest.raises(MemoryUnusable, match="is missing, but the log has 300 entries"):
        sequence_batch(at=now)
    assert (Entry.objects.count(), OutboxRow.objects.count()) == (300, 1)
    assert Alarm.objects.get().code == "memory_unusable"
    call_command("check_log_head", "--begin-memory")
    assert sequence_batch(at=now) == 1
    with pytest.raises(CommandError, match="has a memory already"):
        call_command("check_log_head", "--begin-memory")


def test_a_damaged_memory_stops_the_signer(log, now):
    signer_memory().path.write_bytes(b"")
    submit_many(1, now)
    with pytest.raises(MemoryUnusable, match="damaged"):
        sequence_batch(at=now)
    assert (Entry.objects.count(), OutboxRow.objects.count()) == (300, 1)


def test_a_clone_is_caught_by_what_was_exported(log, now, settings, tmp_path):
    """Key, memory and database were copied at 260, and the copy went on: only what others hold shows two histories."""
    export_log(tmp_path, note=LogHead.objects.get().note, keys=log_verifier_keys(), also={})
    restore(260)
    settings.LEDGER_MEMORY_FILE = Path(f"{settings.LEDGER_MEMORY_FILE}.clone")
    commit(50, now)
    settings.LEDGER_EXPORT_FOLDER = tmp_path
    with pytest.raises(CommandError, match="The last export knows another history"):
        call_command("check_log_head")
    freeze = current_freeze()
    assert freeze.code == "log_forked"
    assert freeze.evidence["known_by"] == "The last export"


def test_the_comparison_says_who_agrees(log, settings, tmp_path, capsys):
    export_log(tmp_path, note=LogHead.objects.get().note, keys=log_verifier_keys(), also={})
    settings.LEDGER_EXPORT_FOLDER = tmp_path
    call_command("check_log_head")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "The log has 300 entries.",
        "The signer's memory knows 300 of them, and agrees.",
        "The last export knows 300 of them, and agrees.",
    ]
    assert current_freeze() is None


def test_an_export_that_cannot_be_read_is_told(log, settings, tmp_path, capsys):
    (tmp_path / "checkpoint").write_text("nothing")
    settings.LEDGER_EXPORT_FOLDER = tmp_path
    call_command("check_log_head")
    assert "Not compared. The last export: " in capsys.readouterr().out


def test_a_freeze_is_not_lifted_while_its_cause_is_there(log, now):
    newer = LogHead.objects.get()
    restore(260)
    submit_many(2, now)
    with pytest.raises(LogRolledBack):
        sequence_batch(at=now)
    with pytest.raises(CommandError, match=r"The cause is still there\. The signer's memory knows 300"):
        call_command("lift_freeze", "--by", "sara", "--reason", "It must go on.")
    assert current_freeze() is not None
    assert sequence_batch(at=now) == 0
    assert newer.size == 300


def test_once_the_newer_database_is_back_the_log_goes_on(log, now, django_capture_on_commit_callbacks):
    submit_many(2, now)
    size = LogHead.objects.get().size
    put_back = (
        "UPDATE ledger_loghead SET (size, root_hash, note) = (SELECT size, root_hash, note FROM ledger_checkpoint"
    )
    tamper(f"{put_back} WHERE size = 260)")
    with pytest.raises(LogRolledBack):
        sequence_batch(at=now)
    tamper(f"{put_back} WHERE size = %s)", size)
    call_command("lift_freeze", "--by", "sara", "--reason", "The newer database is back.")
    assert sequence_batch(at=now) == 2
    freeze = LogFreeze.objects.get()
    assert (freeze.lifted_by, freeze.lifted_reason) == ("sara", "The newer database is back.")
    with pytest.raises(CommandError, match="not frozen"):
        call_command("lift_freeze", "--by", "sara", "--reason", "Again.")


def test_a_lifted_freeze_comes_back_with_its_cause(log, now):
    """Whoever lifts it past the command changes nothing: the next batch asks the memory again."""
    restore(260)
    submit_many(2, now)
    with pytest.raises(LogRolledBack):
        sequence_batch(at=now)
    LogFreeze.objects.update(lifted_at=now, lifted_by="mallory", lifted_reason="Because.")
    with pytest.raises(LogRolledBack):
        sequence_batch(at=now)
    assert LogFreeze.objects.count() == 2
    assert current_freeze() is not None
