from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.errors import FreezeUndone, LogNotFrozen
from ledger.freezing import current_freeze, freeze_log, freeze_mark, lift_freeze, raise_alarm
from ledger.models import Alarm, LogFreeze, LogHead
from ledger.services import sequence_batch
from tests.builders_ledger import submit_many
from tests.database_owner import owner_rights
from tests.ledger.test_concurrency import at_once

pytestmark = pytest.mark.django_db

EVIDENCE = {"size": 7, "root": "ab" * 32}


def freeze(at, code="log_forked", sentence="The log forked.", **evidence):
    return freeze_log(code=code, sentence=sentence, evidence=evidence or EVIDENCE, at=at)


def test_a_freeze_keeps_its_cause(now):
    assert current_freeze() is None
    frozen = freeze(now)
    assert current_freeze() == frozen
    assert (frozen.code, frozen.sentence, frozen.evidence, frozen.frozen_at) == (
        "log_forked",
        "The log forked.",
        EVIDENCE,
        now,
    )
    alarm = Alarm.objects.get()
    assert (alarm.code, alarm.sentence, alarm.evidence, alarm.raised_at) == (
        "log_forked",
        "The log forked.",
        EVIDENCE,
        now,
    )


def test_a_second_cause_changes_no_freeze_but_is_kept(now):
    first = freeze(now)
    assert freeze(now + timedelta(hours=1), code="log_rolled_back") == first
    assert LogFreeze.objects.get().code == "log_forked"
    assert list(Alarm.objects.order_by("pk").values_list("code", flat=True)) == ["log_forked", "log_rolled_back"]


def alarm(at, name="a", code="witness_lies", **evidence):
    return raise_alarm(code=code, witness_name=name, sentence="It lies.", evidence=evidence, at=at)


def test_the_same_alarm_is_kept_once(now):
    assert alarm(now) == alarm(now + timedelta(days=2)) != alarm(now, "b")
    assert Alarm.objects.count() == 2


def test_of_one_witness_one_alarm_of_a_kind_is_kept_in_an_hour(now):
    """It answers something else each time: a table that only grows must not grow with it."""
    for minutes in range(59):
        alarm(now + timedelta(minutes=minutes), size=minutes)
    alarm(now, code="witness_refuses")
    alarm(now, "b")
    assert Alarm.objects.count() == 3
    for minutes in (60, 60, 61, 200, 201):
        alarm(now + timedelta(minutes=minutes), size=minutes)
    kept = Alarm.objects.filter(code="witness_lies", witness_name="a").order_by("pk")
    assert [each.evidence for each in kept] == [
        {"size": 0},
        {"size": 60, "left_out": 58},
        {"size": 200, "left_out": 1},
    ]


def test_the_logs_own_alarms_are_all_kept(now):
    for size in range(3):
        alarm(now, "", size=size)
        freeze(now, size=size)
    assert Alarm.objects.count() == 6


def test_lifting_names_who_and_why(now):
    frozen = freeze(now)
    later = now + timedelta(days=1)
    lifted = lift_freeze(by=" sara ", reason="The newer database is back.", at=later)
    assert lifted == frozen
    assert current_freeze() is None
    kept = LogFreeze.objects.get()
    assert (kept.lifted_at, kept.lifted_by, kept.lifted_reason) == (later, "sara", "The newer database is back.")
    again = freeze(later)
    assert current_freeze() == again != frozen


@pytest.mark.parametrize(("by", "reason"), [("", "Why not."), (" ", "Why not."), ("sara", ""), ("sara", "\n")])
def test_refuses_to_lift_for_nobody_or_for_nothing(now, by, reason):
    freeze(now)
    with pytest.raises(ValueError):
        lift_freeze(by=by, reason=reason, at=now)
    assert current_freeze() is not None


def test_refuses_to_lift_what_is_not_frozen(now):
    with pytest.raises(LogNotFrozen):
        lift_freeze(by="sara", reason="To be sure.", at=now)
    assert not LogFreeze.objects.exists()


def test_a_freeze_is_neither_deleted_nor_rewritten(now):
    freeze(now)
    for sql in ("DELETE FROM ledger_logfreeze", "UPDATE ledger_logfreeze SET sentence = 'nothing'"):
        with pytest.raises(IntegrityError), transaction.atomic(), owner_rights(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert current_freeze().sentence == "The log forked."


@pytest.mark.django_db(transaction=True)
def test_never_freezes_inside_what_may_be_undone(now):
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        freeze(now)
    assert not LogFreeze.objects.exists()
    freeze(now)
    assert LogFreeze.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_causes_at_once_make_one_freeze(now):
    frozen = at_once([lambda: freeze(now)] * 4)
    assert len({freeze.pk for freeze in frozen}) == 1
    assert LogFreeze.objects.count() == 1


def commit(at):
    submit_many(1, at)
    return sequence_batch(at=at)


def undo(at):
    """Whoever has the application's role can write this row."""
    LogFreeze.objects.filter(lifted_at=None).update(
        lifted_at=at, lifted_by="the operator", lifted_reason="All is well."
    )


@pytest.mark.django_db(transaction=True)
def test_a_freeze_that_is_lifted_in_the_database_comes_back(now):
    commit(now)
    freeze(now)
    for _ in range(2):
        undo(now)
        with pytest.raises(FreezeUndone):
            commit(now)
        assert current_freeze().code == "freeze_undone"
        assert commit(now) == 0
    assert LogHead.objects.get().size == 1
    lift_freeze(by="sara", reason="The cause is gone.", at=now)
    assert sequence_batch(at=now) == 4
    assert not freeze_mark().exists()


@pytest.mark.django_db(transaction=True)
def test_the_signer_marks_a_freeze_of_another_machine(now, settings):
    commit(now)
    memory, settings.LEDGER_MEMORY_FILE = (
        settings.LEDGER_MEMORY_FILE,
        settings.LEDGER_MEMORY_FILE.parent / "no" / "file",
    )
    freeze(now)
    assert not freeze_mark().exists()
    settings.LEDGER_MEMORY_FILE = memory
    assert commit(now) == 0
    assert freeze_mark().exists()
    undo(now)
    with pytest.raises(FreezeUndone):
        commit(now)


@pytest.mark.django_db(transaction=True)
def test_what_was_lifted_in_the_database_can_be_lifted_properly(now):
    commit(now)
    freeze(now)
    undo(now)
    assert lift_freeze(by="sara", reason="It was me.", at=now).code == "freeze_undone"
    assert commit(now) == 1
