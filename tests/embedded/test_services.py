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

from marketplace.embedded.processes import ServiceError
from marketplace.embedded.services import LONGEST_SOCKET_FOLDER, EmbeddedServices, answers_ping, socket_folder
from marketplace.embedded.testing import is_alive, with_redis_database

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that the servers' plain account can walk through; pytest's own folders are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="ownstream-services-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def services(folder: Path) -> Iterator[EmbeddedServices]:
    services = EmbeddedServices(folder / "services", is_throw_away=True)
    yield services
    services.stop()


def test_the_database_answers_in_utf8_and_knows_the_time_zones() -> None:
    with psycopg.connect(os.environ.get("MIGRATION_DATABASE_URL") or os.environ["DATABASE_URL"]) as connection:
        connection.execute("SET TIME ZONE 'Europe/Madrid'")
        row = connection.execute("SHOW server_encoding").fetchone()
    assert row == ("UTF8",)


def test_data_outlive_a_restart(services: EmbeddedServices) -> None:
    services.is_throw_away = False
    with psycopg.connect(services.start_postgres()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    services.stop()

    with psycopg.connect(services.start_postgres()) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)


def test_refuses_data_of_another_major_version(services: EmbeddedServices) -> None:
    services.start_postgres()
    services.stop()
    (services.folder / "pg" / "PG_VERSION").write_text("9\n")

    with pytest.raises(ServiceError, match="made by PostgreSQL 9, but this server is"):
        services.start_postgres()
    assert services.children == []


def test_a_server_that_cannot_start_shows_its_log(services: EmbeddedServices) -> None:
    services.start_postgres()
    services.stop()
    (services.folder / "pg" / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(ServiceError, match="no_such_setting"):
        services.start_postgres()


def test_valkey_stops_with_its_services(services: EmbeddedServices) -> None:
    services.start_valkey()
    path = socket_folder(services.folder, services.account) / "valkey"
    assert answers_ping(path)

    services.stop()
    assert not answers_ping(path)


def test_a_long_path_gets_a_short_socket_folder(services: EmbeddedServices) -> None:
    deep = services.folder / ("d" * 60) / ("e" * 60)
    sockets = socket_folder(deep, services.account)

    assert len(str(sockets)) <= LONGEST_SOCKET_FOLDER
    assert sockets.stat().st_mode & 0o777 == 0o700
    sockets.rmdir()


def test_the_servers_die_with_a_killed_parent(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from marketplace.embedded.services import EmbeddedServices\n"
        f"services = EmbeddedServices(Path({str(folder / 'services')!r}), is_throw_away=True)\n"
        "services.start_postgres(); services.start_valkey()\n"
        "print(*(child.pid for _, child in services.children), flush=True); time.sleep(60)\n"
    )
    parent_process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent_process.stdout is not None
    children = [int(word) for word in parent_process.stdout.readline().split()]
    assert len(children) == 2

    parent_process.send_signal(signal.SIGKILL)
    parent_process.wait()
    deadline = time.monotonic() + 15
    while any(is_running(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [child for child in children if is_running(child)] == []


def is_running(process_id: int) -> bool:
    """A zombie that nobody waits for has ended, too."""
    if not is_alive(process_id):
        return False
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis+socket:///run/valkey?virtual_host=0", "redis+socket:///run/valkey?virtual_host=6"),
        ("unix:///run/valkey?db=1", "unix:///run/valkey?db=6"),
        ("redis://:secret@cache:6379/0", "redis://:secret@cache:6379/6"),
        ("redis://cache:6379", "redis://cache:6379/6"),
    ],
)
def test_each_test_worker_gets_its_own_redis_database(url: str, expected: str) -> None:
    assert with_redis_database(url, 6) == expected
