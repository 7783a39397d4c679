import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from marketplace.embedded.secret_key import own_secret_key

ROOT = Path(__file__).resolve().parent.parent.parent


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_key_is_long_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    key = own_secret_key(var_dir)

    assert len(key) >= 64
    assert own_secret_key(var_dir) == key
    assert [path.name for path in (var_dir / "keys").iterdir()] == ["secret.key"]
    modes = [mode_of(path) for path in (var_dir, var_dir / "keys", var_dir / "keys" / "secret.key")]
    assert modes == [0o700, 0o700, 0o600]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from marketplace.embedded.secret_key import own_secret_key\n"
        "sys.stdin.readline(); print(own_secret_key(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=60)[0] for process in started}

    assert keys == {(tmp_path / "keys" / "secret.key").read_text()}


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [("x" * 86, 0o644, "Others may read"), ("x" * 86, 0o620, "Others may read"), ("", 0o600, "cut short")],
)
def test_a_key_that_others_know_or_that_is_none_is_refused(tmp_path: Path, text: str, mode: int, said: str) -> None:
    path = tmp_path / "keys" / "secret.key"
    path.parent.mkdir()
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(ImproperlyConfigured, match=said):
        own_secret_key(tmp_path)
    assert path.read_text() == text


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match="Set SECRET_KEY, or VAR_DIR") as refused:
        own_secret_key(tmp_path / "file")
    assert os.fspath(tmp_path) in str(refused.value)


def test_delivered_files_are_for_the_market_s_own_account() -> None:
    """Django's storage sets the rights itself, whatever the umask is."""
    name = default_storage.save("rights/rows.parquet", ContentFile(b"rows"))
    try:
        assert mode_of(Path(default_storage.path(name))) == 0o600
    finally:
        default_storage.delete(name)
