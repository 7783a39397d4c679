"""Whether two checkpoints go together. An auditor changes nothing."""

import pytest
from django.urls import reverse

from ledger.comparison import compare_checkpoints
from ledger.models import AuditRun, Checkpoint, Entry
from ledger.notes import NoteSigner, TreeHead
from ledger.services import sequence_batch
from ledger.signing import log_signer
from tests.builders_ledger import submit_many

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
