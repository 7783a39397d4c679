"""Journeys go through a real browser, a live server, and a Celery worker in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from playwright.sync_api import expect

from marketplace.accounts.places import time_zone_choices
from marketplace.embedded.processes import start_child, stop_child

# A page answers in milliseconds; what the worker does on a busy machine may take seconds.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[Path]:
    """The worker of `make run`, with its timer, on the test's database and broker. Gives its log."""
    url = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    log = tmp_path / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "marketplace.celery", "worker", "-B", "-P", "threads", "-c", "4"]
    command += ["-s", str(tmp_path / "schedule"), "-Q", "celery,ledger", "-n", f"journey-{os.getpid()}@%h", "--purge"]
    command += ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
    # Its signer must not remember the log of another test.
    environment = os.environ | {"DATABASE_URL": url, "LEDGER_MEMORY_FILE": str(settings.LEDGER_MEMORY_FILE)}
    with log.open("wb") as output:
        child = start_child(command, environment=environment, output=output, folder=Path(settings.BASE_DIR))
    try:
        yield log
        assert child.poll() is None, log.read_text(errors="replace")[-4000:]
    finally:
        stop_child(child)


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """How often somebody may try is counted in the cache, which outlives a test."""
    cache.clear()


@pytest.fixture(autouse=True)
def warm_choices() -> None:
    """Listing every time zone takes a second the first time: no page's own fault."""
    time_zone_choices()
