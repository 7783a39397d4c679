"""kill -9 of PostgreSQL under load: what was acknowledged is there, and the log is whole and goes on."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from marketplace.embedded.services import EmbeddedServices

ROOT = Path(__file__).resolve().parent.parent.parent
SUBMITTERS = 3
LAST_WORDS = """
import django; django.setup()
from django.utils import timezone
from ledger.services import sequence_batch, verify_log
while sequence_batch(at=timezone.now()): pass
report = verify_log()
print(report.is_good, report.size, [finding.sentence for finding in report.findings])
"""


@pytest.fixture
def services() -> Iterator[EmbeddedServices]:
    """A server of its own that keeps what it acknowledged: the one of the other tests is told not to."""
    folder = Path(tempfile.mkdtemp(prefix="ownstream-crash-"))
    folder.chmod(0o711)
    services = EmbeddedServices(folder / "services")
    yield services
    services.stop()
    shutil.rmtree(folder, ignore_errors=True)


def environment_of(url: str, folder: Path) -> dict[str, str]:
    dropped = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "PYTEST_XDIST_WORKER"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    added = {"DATABASE_URL": url, "VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    return kept | added | {"LOG_LEVEL": "CRITICAL"}


def start(act: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.loaded_log", act],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill_server(services: EmbeddedServices) -> None:
    """All at once: the postmaster and every server process below it, as a power cut would."""
    _, postmaster = services.children.pop()
    below = Path(f"/proc/{postmaster.pid}/task/{postmaster.pid}/children").read_text().split()
    for number in [postmaster.pid, *map(int, below)]:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    postmaster.wait(timeout=10)


def wait_for_entries(url: str, more_than: int) -> int:
    for _ in range(200):
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT size FROM ledger_loghead").fetchone()
        if row is not None and row[0] > more_than:
            return int(row[0])
        time.sleep(0.05)
    pytest.fail(f"The log did not grow beyond {more_than} entries.")


def test_nothing_acknowledged_is_lost_and_the_log_goes_on(services: EmbeddedServices, tmp_path: Path) -> None:
    url = services.start_postgres()
    environment = environment_of(url, tmp_path)
    manage = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"]
    subprocess.run(manage, cwd=ROOT, env=environment, check=True, timeout=120)
    processes = [start(act, environment) for act in ["sequence", *["submit"] * SUBMITTERS]]
    size = 0
    for _ in range(3):
        size = wait_for_entries(url, size + 20)
        kill_server(services)
        assert services.start_postgres() == url
    wait_for_entries(url, size + 20)

    acknowledged = set()
    for process in processes:
        acknowledged |= set(process.communicate(timeout=20)[0].split())
    said = subprocess.run(
        [sys.executable, "-c", LAST_WORDS],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    with psycopg.connect(url) as connection:
        entries = [str(row[0]) for row in connection.execute("SELECT entry_id FROM ledger_entry")]
        waiting = connection.execute("SELECT count(*) FROM ledger_outboxrow").fetchone()
        frozen = connection.execute("SELECT count(*) FROM ledger_logfreeze").fetchone()
    assert (waiting, frozen) == ((0,), (0,))
    assert said.stdout.split(maxsplit=2) == ["True", str(len(entries)), "[]\n"], said.stderr
    assert len(acknowledged) > 60
    assert acknowledged <= set(entries)
    # At most the one that each submitter had under way may be there unacknowledged, for each crash and for the end.
    assert len(set(entries) - acknowledged) <= SUBMITTERS * 4
    assert len(set(entries)) == len(entries)
