"""`make run` as a person meets it: the real program with its real servers, on a port and in a folder of its own."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.embedded.programs import SHARED_FOLDER
from marketplace.embedded.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "marketplace.embedded.supervisor"]
SERVERS = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "CACHE_URL")
STEERING = (*SERVERS, "PYTEST_XDIST_WORKER", "DJANGO_ALLOW_ASYNC_UNSAFE")


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    var_dir = Path(tempfile.mkdtemp(prefix="ownstream-run-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if name not in STEERING}
    yield kept | {"VAR_DIR": str(var_dir), "HOST": "127.0.0.1", "PORT": str(port), "SEED_DEMO": "0"}
    name = var_dir / "services.name"
    if name.exists():
        shutil.rmtree(SHARED_FOLDER / name.read_text(), ignore_errors=True)
    shutil.rmtree(var_dir)


@pytest.fixture
def running(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # The last line of the greeting.
    for line in process.stdout:
        if "Ctrl-C" in line:
            break
    assert process.poll() is None
    yield process
    process.terminate()
    process.wait(60)


def get_health(environment: dict[str, str]) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{environment['PORT']}/health", timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def children_of(process_id: int) -> dict[int, str]:
    """Return the direct children's ids and command lines."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process_id:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    return found


def test_serves_and_stops_cleanly(environment: dict[str, str], running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not get_health(environment)["up"] and time.monotonic() < deadline:
        time.sleep(0.5)
    assert get_health(environment)["up"] is True

    found = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"], cwd=ROOT, env=environment, capture_output=True, check=False
    )
    assert found.returncode == 0, found.stderr

    children = children_of(running.pid)
    # PostgreSQL, Valkey, three witnesses, the web server, that of live streams, and the worker.
    assert len(children) == 8
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    assert not (Path(environment["VAR_DIR"]) / "services.json").exists()


def test_other_accounts_read_nothing_that_a_run_writes(
    environment: dict[str, str], running: subprocess.Popen[str]
) -> None:
    var_dir = Path(environment["VAR_DIR"])
    program = "from django.core.mail import send_mail; send_mail('Hello', 'A letter.', None, ['ben@example.test'])"
    subprocess.run([sys.executable, "manage.py", "shell", "-c", program], cwd=ROOT, env=environment, check=True)

    assert list((var_dir / "mail").iterdir())
    closed = [var_dir, var_dir / "logs", var_dir / "keys", var_dir / "keys" / "secret.key"]
    assert [path for path in closed if path.stat().st_mode & 0o077] == []
    for child in children_of(running.pid):
        status = Path(f"/proc/{child}/status").read_text()
        # PostgreSQL and Valkey have folders of their own, which only their account may enter.
        assert "Umask:\t0077" in status or "postgres" in status or "valkey" in status


def test_a_folder_that_everybody_writes_to_stays_open(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    var_dir = Path(environment["VAR_DIR"])
    var_dir.chmod(0o1777)
    monkeypatch.setenv("VAR_DIR", str(var_dir))
    Supervisor().hold_lock()
    assert [path.stat().st_mode & 0o7777 for path in (var_dir, var_dir / "logs")] == [0o1777, 0o700]


def test_a_second_run_says_that_one_is_running(environment: dict[str, str]) -> None:
    with (Path(environment["VAR_DIR"]) / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print("http://127.0.0.1:8000, process 7", file=lock, flush=True)
        second = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert second.returncode == 1
    assert "running here already: http://127.0.0.1:8000, process 7" in second.stderr
    assert not (Path(environment["VAR_DIR"]) / "services").exists()


def test_a_part_that_ends_by_itself_ends_the_whole(environment: dict[str, str], running: subprocess.Popen[str]) -> None:
    children = children_of(running.pid)
    worker = next(child for child, command in children.items() if "celery" in command)

    os.kill(worker, signal.SIGKILL)

    assert running.wait(60) == 1
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []


def test_a_taken_port_is_named(environment: dict[str, str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(environment["PORT"])))
        other.listen()
        refused = subprocess.run(COMMAND, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {environment['PORT']}" in refused.stderr
    assert "make run PORT=" in refused.stderr
