"""The log asks real witnesses, each a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from ledger import witnessing
from ledger.freezing import current_freeze
from ledger.locks import GATHERING
from ledger.models import Alarm, Checkpoint, Cosignature, FinalCheckpoint, LogFreeze, LogHead, WitnessMemory
from ledger.notes import TreeHead, parse_note
from ledger.services import sequence_batch
from ledger.trust import final_size, log_policy
from ledger.witnessing import gather_cosignatures, known_elsewhere
from tests.builders_ledger import submit_many
from tests.database_owner import owner_rights
from tests.ledger.test_concurrency import at_once
from tests.ledger.witnesses import RealWitness, policy_text

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Keys take a second to make; each test gets a copy."""
    folder = tmp_path_factory.mktemp("witnesses")
    return [RealWitness.create(folder / name).folder for name in ("anna", "bert", "carl")]


@pytest.fixture
def three(made: list[Path], tmp_path: Path, settings) -> Iterator[list[RealWitness]]:
    witnesses = []
    for folder in made:
        shutil.copytree(folder, tmp_path / folder.name)
        witnesses.append(RealWitness(tmp_path / folder.name).start())
    settings.LEDGER_POLICY_FILE = tmp_path / "policy"
    settings.LEDGER_POLICY_FILE.write_text(policy_text(*witnesses, needed=2))
    yield witnesses
    for witness in witnesses:
        witness.kill()


def commit(count: int) -> None:
    submit_many(count, timezone.now())
    sequence_batch(at=timezone.now())


def gather() -> bool:
    return gather_cosignatures(at=timezone.now())


def states() -> dict[str, tuple[str, int]]:
    return {name: (state, size) for name, state, size in WitnessMemory.objects.values_list("name", "state", "size")}


def test_a_checkpoint_becomes_final(three):
    commit(5)
    assert final_size() == 0
    gather()
    assert final_size() == 5
    final = FinalCheckpoint.objects.get()
    checked = log_policy().check(parse_note(final.note))
    assert (checked.is_final, checked.head.size) == (True, 5)
    assert final.note.startswith(Checkpoint.objects.get(size=5).note)
    assert states() == {"anna": ("good", 5), "bert": ("good", 5), "carl": ("good", 5)}
    assert Cosignature.objects.filter(size=5).count() == 3
    assert not Alarm.objects.exists()


def test_the_witnesses_follow_a_growing_log(three):
    for size in (0, 1, 3, 300):
        commit(size - LogHead.objects.get().size)
        gather()
        assert FinalCheckpoint.objects.latest("pk").size == size
    assert not Alarm.objects.exists()


def test_an_idle_head_is_cosigned_again_after_ten_minutes(three):
    commit(2)
    gather()
    gather_cosignatures(at=timezone.now() + witnessing.RECOSIGN_AFTER / 2)
    assert Cosignature.objects.count() == 3
    # The clock of the witnesses cannot be set here; their cosignatures can be as old as wanted.
    tamper_age()
    gather()
    assert Cosignature.objects.count() == 6
    assert FinalCheckpoint.objects.count() == 1


def tamper_age() -> None:
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_cosignature DISABLE TRIGGER USER")
        cursor.execute(
            "UPDATE ledger_cosignature SET cosigned_at = cosigned_at - interval '11 minutes',"
            " received_at = received_at - interval '11 minutes'"
        )
        cursor.execute("ALTER TABLE ledger_cosignature ENABLE ALWAYS TRIGGER ledger_cosignature_stays")


def test_one_witness_down_is_enough_of_them_and_it_catches_up(three):
    commit(2)
    gather()
    three[2].kill()
    commit(3)
    gather()
    assert final_size() == 5
    assert states()["carl"] == ("silent", 2)
    commit(4)
    gather()
    three[2].start()
    gather()
    assert states()["carl"] == ("good", 9)
    assert not Alarm.objects.exists()


def test_two_witnesses_down_are_too_many(three):
    three[1].kill()
    three[2].kill()
    commit(2)
    gather()
    assert final_size() == 0
    assert Cosignature.objects.count() == 1
    three[1].start()
    gather()
    assert final_size() == 2


def test_a_log_that_forgot_what_its_witnesses_saw_catches_up(three):
    """Only the memory is lost, not the log: the 409 names the size, and the second try fits."""
    commit(3)
    gather()
    WitnessMemory.objects.all().delete()
    commit(4)
    gather()
    assert final_size() == 7
    assert not Alarm.objects.exists()
    assert current_freeze() is None


def test_a_witness_that_forgot_is_noticed(three):
    commit(3)
    gather()
    three[0].kill()
    shutil.rmtree(three[0].folder / "state")
    (three[0].folder / "state").mkdir()
    three[0].start()
    commit(1)
    gather()
    assert states()["anna"] == ("good", 4)
    assert list(Alarm.objects.values_list("code", "witness_name")) == [("witness_rolled_back", "anna")]
    assert current_freeze() is None


def rewind(size: int) -> None:
    """What restoring an older backup does to the tables: everything after this size was never there."""
    with owner_rights(), connection.cursor() as cursor:
        tables = ["entry", "tile", "checkpoint", "loghead", "cosignature", "finalcheckpoint"]
        for table in tables:
            cursor.execute(f"ALTER TABLE ledger_{table} DISABLE TRIGGER USER")
        older = Checkpoint.objects.get(size=size)
        cursor.execute("DELETE FROM ledger_entry WHERE index >= %s", [size])
        for table in ("checkpoint", "cosignature", "finalcheckpoint"):
            cursor.execute(f"DELETE FROM ledger_{table} WHERE size > %s", [size])
        cursor.execute("DELETE FROM ledger_tile WHERE level = 0 AND number * 256 + width > %s", [size])
        cursor.execute(
            "UPDATE ledger_loghead SET size = %s, root_hash = %s, note = %s", [size, bytes(older.root_hash), older.note]
        )
        cursor.execute("UPDATE ledger_witnessmemory SET size = %s", [size])
        for table in tables:
            cursor.execute(f"ALTER TABLE ledger_{table} ENABLE TRIGGER USER")


def test_a_restored_older_database_is_frozen(three, settings, tmp_path):
    settings.LEDGER_MEMORY_FILE = tmp_path / "memory"
    commit(3)
    gather()
    commit(4)
    gather()
    rewind(3)
    tamper_age()
    gather()
    freeze = current_freeze()
    assert freeze is not None
    assert freeze.code == "log_rolled_back"
    assert freeze.evidence["answer"] == "7\n"
    assert TreeHead.parse(parse_note(freeze.evidence["checkpoint"]).text).size == 3
    before = WitnessMemory.objects.values_list("asked_at", flat=True)
    assert gather() is False
    assert list(WitnessMemory.objects.values_list("asked_at", flat=True)) == list(before)


@pytest.mark.parametrize("more", [4, 6])
def test_a_forked_log_reaches_no_quorum_and_is_frozen(three, settings, tmp_path, more):
    """Restored and gone on with other records, up to the size that the witnesses saw, or beyond it."""
    settings.LEDGER_MEMORY_FILE = tmp_path / "memory"
    commit(3)
    gather()
    commit(4)
    gather()
    rewind(3)
    settings.LEDGER_MEMORY_FILE = tmp_path / "another-memory"
    commit(more)
    gather()
    freeze = LogFreeze.objects.get()
    assert freeze.code == "log_forked"
    assert freeze.evidence["status"] == 422
    assert TreeHead.parse(parse_note(freeze.evidence["checkpoint"]).text).size == 3 + more
    assert final_size() == 3
    assert not Cosignature.objects.filter(size__gt=3).exists()
    assert set(Alarm.objects.values_list("code", flat=True)) == {"log_forked"}


def test_what_witnesses_know_is_read_and_verified(three):
    assert known_elsewhere(timezone.now()) == []
    commit(3)
    gather()
    three[1].kill()
    known = known_elsewhere(timezone.now())
    assert [(head.witness_name, head.head.size) for head in known] == [("anna", 3), ("carl", 3)]
    assert {head.head.root_hash for head in known} == {bytes(LogHead.objects.get().root_hash)}


def test_two_gatherers_at_once(three):
    """One of them is elected; every cosignature is kept once."""
    for size in range(1, 6):
        commit(1)
        barrier = Barrier(2)

        def act(barrier: Barrier = barrier) -> bool:
            barrier.wait(10)
            return gather()

        assert at_once([act, act]) == [False, False]
        gather()
        assert final_size() == size
    assert Cosignature.objects.count() == 15
    assert FinalCheckpoint.objects.count() == 5


def test_nobody_else_gathers_meanwhile(three):
    commit(2)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [GATHERING])
        assert at_once([gather]) == [False]
        assert not Cosignature.objects.exists()
        cursor.execute("SELECT pg_advisory_unlock(%s)", [GATHERING])
    at_once([gather])
    assert final_size() == 2


def test_a_witness_is_killed_again_and_again_in_mid_round(three):
    """kill -9 while it is asked: whatever it had answered, the next rounds are in order and raise no alarm."""
    for turn in range(6):
        commit(3)
        at_once([gather, three[turn % 3].kill])
        three[turn % 3].start()
        gather()
        gather()
        assert final_size() == 3 * (turn + 1)
        assert {size for _, size in states().values()} == {3 * (turn + 1)}
    assert not Alarm.objects.exists()
    assert current_freeze() is None
