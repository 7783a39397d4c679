"""The log's key is replaced while the log runs: old receipts verify for ever, and nobody signs with the old key."""

from datetime import timedelta

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from ledger.errors import NoteUnverified, RotationRefused, SeedUnusable
from ledger.models import Checkpoint, Entry, LogHead, OutboxRow
from ledger.notes import NoteSigner, VerifierKey, parse_note, verify_note
from ledger.rotation import begin_rotation, finish_rotation
from ledger.services import sequence_batch, verify_log
from ledger.signing import log_signers, log_verifier_key, log_verifier_keys, retired_file
from tests.builders_ledger import submit

pytestmark = pytest.mark.django_db

OVERLAP = timedelta(days=30)
OLD_SEED, NEW_SEED = bytes(range(32)), bytes(range(32, 64))


@pytest.fixture
def files(settings, tmp_path):
    settings.LEDGER_SEED_HEX = settings.LEDGER_PREVIOUS_SEED_HEX = settings.LEDGER_VKEY = ""
    settings.LEDGER_SEED_FILE = tmp_path / "keys" / "ledger.seed"
    settings.LEDGER_PREVIOUS_SEED_FILE = tmp_path / "keys" / "ledger.seed.previous"
    return settings


@pytest.fixture
def environment(files):
    files.LEDGER_SEED_HEX = OLD_SEED.hex()
    return files


def commit(at) -> str:
    submit(at)
    sequence_batch(at=at)
    return LogHead.objects.get().note


def signed_by(note: str) -> list[VerifierKey]:
    assert len(parse_note(note).signatures) == len(verify_note(parse_note(note), log_verifier_keys()))
    return verify_note(parse_note(note), log_verifier_keys())


def test_a_rotation_in_mid_stream(files, client, now):
    first = commit(now)
    (old,) = log_verifier_keys()
    rotation = begin_rotation(overlap=OVERLAP, at=now)
    new = rotation.new
    assert rotation.old == old != new
    both = commit(now)
    assert signed_by(both) == [new, old] == list(log_verifier_keys())
    # Whoever knows one of the two keys alone verifies it.
    assert verify_note(parse_note(both), [old]) == [old]
    assert verify_note(parse_note(both), [new]) == [new]
    finish_rotation(is_early=False, at=now + OVERLAP)
    last = commit(now)
    assert signed_by(last) == [new]
    with pytest.raises(NoteUnverified):
        verify_note(parse_note(last), [old])
    assert signed_by(first) == [old]
    assert log_verifier_keys() == (new, old)
    assert log_verifier_key() == new
    assert verify_log().is_good
    assert client.get(reverse("log_vkey")).content.decode() == f"{new}\n{old}\n"
    assert not files.LEDGER_PREVIOUS_SEED_FILE.exists()
    assert [path.stat().st_mode & 0o777 for path in files.LEDGER_SEED_FILE.parent.iterdir()] == [0o600, 0o600]


def test_the_log_itself_names_both_keys(files, now):
    commit(now)
    rotation = begin_rotation(overlap=OVERLAP, at=now)
    commit(now)
    body = orjson.loads(bytes(Entry.objects.get(kind="key.rotated").body))
    assert (body["old"], body["new"]) == (str(rotation.old), str(rotation.new))
    assert body["overlap_until"] == "2026-04-13T09:26:53.000000Z"


def test_several_keys_retire_one_after_the_other(files, now):
    keys = [commit(now) and log_verifier_key()]
    for _ in range(3):
        keys.insert(0, begin_rotation(overlap=OVERLAP, at=now).new)
        commit(now)
        finish_rotation(is_early=True, at=now)
    assert list(log_verifier_keys()) == keys
    assert retired_file().read_text().split() == [str(key) for key in keys[1:]]
    assert verify_log().is_good


def test_a_second_rotation_waits_for_the_first(files, now):
    commit(now)
    begin_rotation(overlap=OVERLAP, at=now)
    with pytest.raises(RotationRefused, match="--finish"):
        begin_rotation(overlap=OVERLAP, at=now)
    commit(now)
    with pytest.raises(RotationRefused, match="--finish"):
        begin_rotation(overlap=OVERLAP, at=now)
    assert len(log_signers()) == 2
    assert Entry.objects.filter(kind="key.rotated").count() == 1


def test_the_old_key_signs_as_long_as_was_announced(files, now):
    commit(now)
    with pytest.raises(RotationRefused, match="One key signs"):
        finish_rotation(is_early=True, at=now)
    begin_rotation(overlap=OVERLAP, at=now)
    with pytest.raises(RotationRefused, match="not recorded"):
        finish_rotation(is_early=True, at=now)
    commit(now)
    with pytest.raises(RotationRefused, match="until 2026-04-13"):
        finish_rotation(is_early=False, at=now + OVERLAP - timedelta(seconds=1))
    assert len(log_signers()) == 2
    assert not retired_file().exists()


def test_a_crash_between_the_two_names_of_the_seed_is_gone_on_from(files, now):
    commit(now)
    (old,) = log_signers()
    files.LEDGER_PREVIOUS_SEED_FILE.write_bytes(files.LEDGER_SEED_FILE.read_bytes())
    files.LEDGER_PREVIOUS_SEED_FILE.chmod(0o600)
    # One line, never two of one key.
    assert signed_by(commit(now)) == [old.verifier_key]
    assert begin_rotation(overlap=OVERLAP, at=now).old == old.verifier_key
    assert len(signed_by(commit(now))) == 2


def test_another_seed_in_the_way_is_not_overwritten(files, now):
    commit(now)
    files.LEDGER_PREVIOUS_SEED_FILE.write_text("nonsense")
    files.LEDGER_PREVIOUS_SEED_FILE.chmod(0o600)
    seed = files.LEDGER_SEED_FILE.read_bytes()
    with pytest.raises(SeedUnusable):
        begin_rotation(overlap=OVERLAP, at=now)
    assert files.LEDGER_SEED_FILE.read_bytes() == seed
    assert not OutboxRow.objects.exists()


def test_the_commands_in_file_mode(files, capsys):
    now = timezone.now()
    commit(now)
    call_command("rotate_log_key", "--overlap-days", "7")
    assert "Both keys sign from the next checkpoint on" in capsys.readouterr().out
    commit(now)
    with pytest.raises(CommandError, match="Both keys are to sign until"):
        call_command("rotate_log_key", "--finish")
    call_command("rotate_log_key", "--finish", "--early")
    assert "Only this key signs from now on" in capsys.readouterr().out
    call_command("log_vkey")
    assert capsys.readouterr().out.split() == [str(key) for key in log_verifier_keys()]


def test_with_the_seed_in_the_environment_it_says_what_to_set(environment, capsys):
    now = timezone.now()
    origin = environment.LEDGER_ORIGIN
    old, new = (NoteSigner(origin, seed).verifier_key for seed in (OLD_SEED, NEW_SEED))
    environment.LEDGER_VKEY = str(old)
    commit(now)
    call_command("rotate_log_key")
    printed = capsys.readouterr().out
    assert "LEDGER_PREVIOUS_SEED_HEX = the seed of now" in printed
    assert OLD_SEED.hex() not in printed
    assert not OutboxRow.objects.exists()
    # The sequencer is restarted first: LEDGER_VKEY knows the older key alone.
    environment.LEDGER_SEED_HEX, environment.LEDGER_PREVIOUS_SEED_HEX = NEW_SEED.hex(), OLD_SEED.hex()
    assert verify_note(parse_note(commit(now)), [new, old]) == [new, old]
    call_command("rotate_log_key")
    assert f"LEDGER_VKEY={new} {old}" in capsys.readouterr().out
    commit(now)
    with pytest.raises(CommandError, match="LEDGER_VKEY does not hold the new key"):
        call_command("rotate_log_key", "--finish", "--early")
    environment.LEDGER_VKEY = f"{new} {old}"
    call_command("rotate_log_key", "--finish", "--early")
    assert "remove LEDGER_PREVIOUS_SEED_HEX" in capsys.readouterr().out
    environment.LEDGER_PREVIOUS_SEED_HEX = ""
    assert signed_by(commit(now)) == [new]
    assert verify_log().is_good
    assert Checkpoint.objects.count() == 5


def test_a_leaked_foreign_seed_signs_nothing(environment):
    environment.LEDGER_VKEY = str(NoteSigner(environment.LEDGER_ORIGIN, NEW_SEED).verifier_key)
    with pytest.raises(SeedUnusable):
        log_signers()
