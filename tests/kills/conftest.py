"""Real processes of the web and the worker, killed with SIGKILL at each place where they write."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import timezone

from tests.fake_stripe import FakeStripe, running_fake
from tests.kills.barriers import Barriers, barriers
from tests.kills.processes import Web, Worker, empty_broker


@pytest.fixture
def now() -> datetime:
    """Processes ask the clock."""
    return timezone.now()


@pytest.fixture
def places(transactional_db: None) -> Iterator[Barriers]:
    with barriers() as found:
        yield found


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with running_fake() as fake:
        yield fake


@pytest.fixture
def web(places: Barriers, stripe: FakeStripe, tmp_path: Path) -> Iterator[Web]:
    empty_broker()
    process = Web(tmp_path, stripe)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def worker(places: Barriers, stripe: FakeStripe, tmp_path: Path) -> Iterator[Worker]:
    empty_broker()
    process = Worker(tmp_path, stripe)
    process.start()
    yield process
    process.kill()
