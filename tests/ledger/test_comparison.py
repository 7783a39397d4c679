"""The auditor's tools: comparing checkpoints, and holding rows against entries. An auditor changes nothing."""

import pytest
from django.urls import reverse

from ledger.comparison import compare_checkpoints
from ledger.models import AuditRun, Checkpoint, Entry, OutboxRow
from ledger.notes import NoteSigner, TreeHead
from ledger.reconciliation import kinds_without_source, reconcile
from ledger.services import sequence_batch
from ledger.signing import log_signer
from tests.builders import make_consent
from tests.builders_ledger import submit, submit_many, tamper

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(now):
    for count in (3, 297, 100):
        submit_many(count, now)
        sequence_batch(at=now)


def note(size: int) -> str:
    return Checkpoint.objects.get(size=size).note


@pytest.mark.parametrize(("first", "second"), [(3, 300), (300, 3), (3, 400), (300, 400), (400, 400), (0, 400)])
def test_two_checkpoints_of_one_log_go_together(log, first, second):
    found = compare_checkpoints(note(first), note(second))
    assert found.contradiction == ""
    assert (found.older.size, found.newer.size) == (min(first, second), max(first, second))
    assert bool(found.proof) == (first != second and 0 not in {first, second})


def forged(size: int, root: bytes) -> str:
    return log_signer().sign(TreeHead(log_signer().verifier_key.name, size, root).text())


@pytest.mark.parametrize(
    ("size", "words"),
    [(300, "two roots at size 300"), (3, "does not lead"), (400, "does not lead"), (900, "has 900 entries and this")],
)
def test_names_the_contradiction_of_a_signed_fork(log, size, words):
    found = compare_checkpoints(note(300), forged(size, bytes(32)))
    assert words in found.contradiction


def test_refuses_what_the_log_never_signed(log):
    stranger = NoteSigner("elsewhere.invalid/log", bytes(32)).sign(
        TreeHead("elsewhere.invalid/log", 3, bytes(32)).text()
    )
    for text in (stranger, "nothing", "", note(3).replace("3", "4", 1)):
        assert compare_checkpoints(note(300), text).contradiction


def difference(kind: str):
    return next(each for each in reconcile() if each.kind == kind)


def test_rows_and_entries_agree_and_what_waits_is_no_difference(sara, now):
    make_consent(sara, now)
    assert OutboxRow.objects.filter(kind="consent.granted").count() == 1
    assert difference("consent.granted").row_count == 0
    sequence_batch(at=now)
    found = difference("consent.granted")
    assert (found.row_count, found.entry_count) == (0, 0)
    submit(now)
    sequence_batch(at=now)
    assert kinds_without_source() == ["device.enrolled"]


def test_names_rows_without_entry_and_entries_without_row(sara, now, auditor):
    consent = make_consent(sara, now)
    sequence_batch(at=now)
    index = Entry.objects.get(kind="consent.granted").index
    tamper("UPDATE consents_consent SET entry_id = '00000000-0000-4000-8000-000000000000'")
    found = difference("consent.granted")
    assert (found.row_count, found.rows) == (1, ["00000000-0000-4000-8000-000000000000"])
    assert (found.entry_count, found.entries) == (1, [index])
    text = auditor.get(reverse("admin:ledger_reconciliation")).content.decode()
    assert f"entry {index}" in text
    assert str(consent.entry_id) not in text


@pytest.mark.parametrize(
    "name", ["entry", "checkpoint", "outboxrow", "auditrun", "witnessmemory", "alarm", "logfreeze"]
)
def test_an_auditor_changes_nothing(log, auditor, name):
    before = [list(model.objects.order_by("pk").values()) for model in (Entry, Checkpoint, AuditRun)]
    assert auditor.post(reverse(f"admin:ledger_{name}_add"), {}).status_code == 403
    for act in ("change", "delete"):
        assert auditor.post(reverse(f"admin:ledger_{name}_{act}", args=[1]), {"post": "yes"}).status_code in {302, 403}
    auditor.post(reverse(f"admin:ledger_{name}_changelist"), {"action": "delete_selected", "_selected_action": [1]})
    assert [list(model.objects.order_by("pk").values()) for model in (Entry, Checkpoint, AuditRun)] == before
