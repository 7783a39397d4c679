"""`manage.py export_log`: the log as files that need neither our code nor our database."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ledger.models import LogHead
from ledger.notes import VerifierKey
from ledger.policy import LogPolicy
from ledger.services import sequence_batch
from ledger.signing import log_verifier_key
from tests.builders_ledger import leaves, submit_in_bulk, submit_many, tamper

pytestmark = pytest.mark.django_db


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("export_log", str(folder))
    return capsys.readouterr().out


def test_writes_what_the_log_serves_under_the_same_names(client, now, tmp_path, capsys):
    submit_in_bulk(600, now)
    sequence_batch(at=now, limit=600)
    assert export(tmp_path / "log", capsys) == f"{tmp_path / 'log'} holds 600 entries; 7 files are new.\n"
    files = files_of(tmp_path / "log")
    tiles = {"tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"}
    bundles = {"tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"}
    assert set(files) == tiles | bundles | {"checkpoint", "vkey", "policy"}
    for name in tiles | bundles:
        assert client.get(f"/log/{name}").content == files[name]
    assert files["checkpoint"].decode() == LogHead.objects.get().note
    assert VerifierKey.parse(files["vkey"].decode().strip()) == log_verifier_key()
    assert [line.key for line in LogPolicy.parse(files["policy"]).logs] == [log_verifier_key()]


def test_a_later_export_adds_and_keeps(now, tmp_path, capsys):
    submit_many(300, now)
    sequence_batch(at=now)
    export(tmp_path, capsys)
    before = files_of(tmp_path)
    assert "; 0 files are new" in export(tmp_path, capsys)
    submit_many(1, now)
    sequence_batch(at=now)
    assert "holds 301 entries; 2 files are new" in export(tmp_path, capsys)
    after = files_of(tmp_path)
    assert {name: after[name] for name in before if name != "checkpoint"} == {
        name: content for name, content in before.items() if name != "checkpoint"
    }
    assert after["tile/0/001.p/45"] == b"".join(leaves()[256:])


def test_refuses_while_nothing_is_signed(tmp_path):
    with pytest.raises(CommandError, match="Nothing was signed yet"):
        call_command("export_log", str(tmp_path))
    assert not files_of(tmp_path)


def test_refuses_a_folder_of_a_log_that_went_on_further(now, tmp_path, capsys):
    submit_many(3, now)
    sequence_batch(at=now)
    export(tmp_path, capsys)
    further = files_of(tmp_path)
    tamper("DELETE FROM ledger_entry")
    tamper("DELETE FROM ledger_tile")
    tamper("DELETE FROM ledger_checkpoint")
    tamper("UPDATE ledger_loghead SET size = 0, root_hash = sha256(''), note = ''")
    with pytest.raises(CommandError):
        call_command("export_log", str(tmp_path))
    assert files_of(tmp_path) == further


def test_refuses_a_folder_of_another_history(now, tmp_path, capsys, settings):
    submit_many(3, now)
    sequence_batch(at=now)
    export(tmp_path, capsys)
    kept = files_of(tmp_path)
    settings.LEDGER_MEMORY_FILE = tmp_path / "other.memory"
    for table in ("ledger_entry", "ledger_tile", "ledger_checkpoint"):
        tamper(f"DELETE FROM {table}")
    tamper("UPDATE ledger_loghead SET size = 0, root_hash = sha256(''), note = ''")
    submit_many(4, now)
    sequence_batch(at=now)
    with pytest.raises(CommandError, match=r"another root.*log_forked"):
        call_command("export_log", str(tmp_path))
    assert {name: content for name, content in files_of(tmp_path).items() if name in kept} == kept


@pytest.mark.parametrize("checkpoint", [b"", b"not a note", b"ownstream.invalid/log\n3\nAAAA\n\n"])
def test_refuses_a_folder_whose_checkpoint_is_not_ours(now, tmp_path, checkpoint):
    submit_many(3, now)
    sequence_batch(at=now)
    (tmp_path / "checkpoint").write_bytes(checkpoint)
    with pytest.raises(CommandError):
        call_command("export_log", str(tmp_path))
    assert files_of(tmp_path) == {"checkpoint": checkpoint}


def test_says_when_the_folder_cannot_be_written(now, tmp_path):
    submit_many(3, now)
    sequence_batch(at=now)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("export_log", str(tmp_path / "file"))
