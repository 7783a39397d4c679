"""What an audit says about times, missing checkpoints, final checkpoints and replaced keys that do not fit."""

from base64 import b64decode
from datetime import timedelta

import pytest

from ledger.models import Checkpoint, FinalCheckpoint
from ledger.rotation import begin_rotation
from ledger.services import sequence_batch, verify_log
from ledger.signing import log_verifier_key
from tests.builders_ledger import submit, submit_many, tamper
from tests.builders_receipts import cosigned, write_policy

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(now):
    for number, count in enumerate((3, 4, 2)):
        submit_many(count, now)
        sequence_batch(at=now + timedelta(seconds=number))


@pytest.fixture
def policy(settings, tmp_path):
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)


def findings():
    return [(finding.place, finding.sentence) for finding in verify_log().findings]


def test_names_an_entry_with_another_time(log):
    tamper("UPDATE ledger_entry SET committed_at = committed_at + interval '1 us' WHERE index = 5")
    assert findings() == [("entry 5", "It has not the time of the checkpoint that first covers it.")]


def test_names_a_missing_checkpoint(log):
    tamper("DELETE FROM ledger_checkpoint WHERE size = 7")
    assert ("checkpoint of size 7", "It is missing, but its tile is stored.") in findings()
    assert "entry 3" in dict(findings())


def test_believes_a_final_checkpoint_that_the_witnesses_signed(policy, log, now):
    final = cosigned(Checkpoint.objects.get(size=7).note, (0, 1))
    FinalCheckpoint.objects.create(size=7, note=final, final_at=now)
    assert findings() == []


@pytest.mark.parametrize("witnesses", [(), (0,)])
def test_names_a_final_checkpoint_without_quorum(policy, log, now, witnesses):
    note = Checkpoint.objects.get(size=7).note
    FinalCheckpoint.objects.create(size=7, note=cosigned(note, witnesses) if witnesses else note, final_at=now)
    assert findings() == [("final checkpoint of size 7", "Its cosignatures are no quorum.")]


def test_names_a_final_checkpoint_of_another_size(policy, log, now):
    FinalCheckpoint.objects.create(size=7, note=cosigned(Checkpoint.objects.get(size=9).note, (0, 1)), final_at=now)
    assert findings() == [("final checkpoint of size 7", "What was signed is not this size and root.")]


def test_names_a_checkpoint_that_the_replaced_key_signed_alone(settings, tmp_path, now):
    settings.LEDGER_SEED_HEX = settings.LEDGER_PREVIOUS_SEED_HEX = settings.LEDGER_VKEY = ""
    settings.LEDGER_SEED_FILE = tmp_path / "keys" / "ledger.seed"
    settings.LEDGER_PREVIOUS_SEED_FILE = tmp_path / "keys" / "ledger.seed.previous"
    submit(now)
    sequence_batch(at=now)
    old = log_verifier_key()
    begin_rotation(overlap=timedelta(days=30), at=now)
    for _ in range(2):
        submit(now)
        sequence_batch(at=now)
    assert findings() == []
    stored = Checkpoint.objects.latest("size")
    text, lines = stored.note.split("\n\n")
    kept = [line for line in lines.splitlines(keepends=True) if line_is_of(line, old)]
    tamper("UPDATE ledger_checkpoint SET note = %s WHERE size = %s", f"{text}\n\n{''.join(kept)}", stored.size)
    place = f"checkpoint of size {stored.size}"
    assert (place, "The key that was the log's by then did not sign it.") in findings()


def line_is_of(line, key):
    return b64decode(line.split()[2])[:4] == key.key_id
