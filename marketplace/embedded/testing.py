"""A pytest plugin: throw-away PostgreSQL and Valkey for the test run, started before Django reads its settings.

Loaded by `addopts = -p marketplace.embedded.testing`; a conftest.py would be too late. DATABASE_URL and REDIS_URL are
used instead when they are set. Under pytest-xdist the controller starts the servers and each worker gets a database,
a folder and Redis databases of its own.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from marketplace.embedded.services import EmbeddedServices, as_application

_PREFIX = "ownstream-test-"
_EXTERNAL_REDIS_DATABASES = 16
_EMBEDDED_REDIS_DATABASES = 64
_running: list[EmbeddedServices] = []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None]:
    """Come before pytest-django, which loads the settings in the same hook."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker:
        separate_worker(int(worker.removeprefix("gw")))
    elif not {"--help", "-h", "--version", "-V", "--fixtures", "--markers"} & set(args):
        start_for_tests()
    return (yield)


def pytest_unconfigure() -> None:
    stop_after_tests()


def start_for_tests() -> None:
    """Start what the environment does not name, and name it there for settings.py and for child processes."""
    sweep_left_folders()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    services = EmbeddedServices(folder / "services", is_throw_away=True)
    folder.chmod(0o711)
    _running.append(services)
    atexit.register(stop_after_tests)
    os.environ["OWNSTREAM_TEST_FOLDER"] = str(folder)
    os.environ["VAR_DIR"] = str(folder / "var")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        if not (os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_HOST")):
            os.environ["MIGRATION_DATABASE_URL"] = services.start_postgres()
            os.environ["DATABASE_URL"] = as_application(os.environ["MIGRATION_DATABASE_URL"])
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"], os.environ["CACHE_URL"] = services.start_valkey()
        elif not os.environ.get("CACHE_URL"):
            os.environ["CACHE_URL"] = os.environ["REDIS_URL"]
    except BaseException:
        stop_after_tests()
        raise
    # WhiteNoise warns when the folder for collected files is not there.
    (folder / "var" / "static").mkdir(parents=True)


def stop_after_tests() -> None:
    """Stop the servers and remove their folder. Safe to call twice."""
    while _running:
        services = _running.pop()
        services.stop()
        shutil.rmtree(services.folder.parent, ignore_errors=True)


def separate_worker(number: int) -> None:
    """Give one xdist worker its own folder and its own pair of Redis databases. Its test database is django's work."""
    folder = Path(os.environ["VAR_DIR"]) / f"gw{number}"
    (folder / "static").mkdir(parents=True, exist_ok=True)
    os.environ["VAR_DIR"] = str(folder)
    for offset, name in ((0, "REDIS_URL"), (1, "CACHE_URL")):
        os.environ[name] = with_redis_database(os.environ[name], 2 * (number + 1) + offset)


def with_redis_database(url: str, number: int) -> str:
    """Return the URL with another database number, in each of the three spellings."""
    if url.startswith(("redis+socket:", "unix:")):
        return re.sub(r"(virtual_host|db)=\d+", rf"\g<1>={number % _EMBEDDED_REDIS_DATABASES}", url)
    return urlsplit(url)._replace(path=f"/{number % _EXTERNAL_REDIS_DATABASES}").geturl()


def sweep_left_folders() -> None:
    """Remove folders of runs that were killed. Their servers died with them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not is_alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
