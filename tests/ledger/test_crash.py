"""kill -9 in the middle of sequencing: nothing lost, nothing doubled, nothing out of order."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction

from ledger.models import Checkpoint, Entry, LogHead, OutboxRow
from ledger.services import sequence_batch, verify_log
from tests.builders_ledger import submit, submit_many

FAULTS = [
    "before_select",
    "after_entries",
    "after_tree",
    "before_commit",
    "after_commit",
    "after_memory",
]


@pytest.fixture
def killable(transactional_db: None, settings: Any) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "LEDGER_TEST_DATABASE": str(connection.settings_dict["NAME"])}
    environment["DJANGO_SETTINGS_MODULE"] = "marketplace.settings"
    environment["LEDGER_MEMORY_FILE"] = str(settings.LEDGER_MEMORY_FILE)
    command = [sys.executable, "-m", "tests.ledger.killable"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=Path.cwd()
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    assert process.stdin is not None
    process.stdin.close()
    process.wait(timeout=10)
    process.stdout.close()


def run(process: subprocess.Popen[str], fault: str) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{fault}\n")
    process.stdin.flush()
    return int(process.stdout.readline())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_batch_is_there_with_its_checkpoint_or_not_at_all(killable, now, fault):
    submit_many(5, now)
    sequence_batch(at=now)
    submit_many(7, now)
    assert run(killable, fault) == -9
    size = 12 if fault in {"after_commit", "after_memory"} else 5
    assert (LogHead.objects.get().size, Entry.objects.count(), OutboxRow.objects.count()) == (size, size, 12 - size)
    assert Checkpoint.objects.order_by("-size").values_list("size", flat=True)[0] == size
    assert verify_log().is_good
    assert run(killable, "") == 0
    assert (Entry.objects.count(), OutboxRow.objects.count()) == (12, 0)
    assert verify_log().is_good


def test_twenty_kills_over_five_thousand_records(killable, now):
    """A submitter keeps writing meanwhile; each process commits up to two batches before it dies in the next."""
    with transaction.atomic():
        expected = submit_many(4000, now)
    late = Thread(target=submit_slowly, args=(1000, now, expected))
    late.start()
    for fault in islice(cycle(f"{name}:{count}" for count in (3, 2, 1, 3) for name in FAULTS), 20):
        assert run(killable, fault) == -9
    late.join()
    assert run(killable, "") == 0
    assert not OutboxRow.objects.exists()
    assert list(Entry.objects.order_by("index").values_list("index", "entry_id")) == list(enumerate(expected))
    report = verify_log()
    assert (report.is_good, report.size, report.entry_count) == (True, 5000, 5000)


def submit_slowly(count, now, submitted):
    try:
        for _ in range(count // 10):
            with transaction.atomic():
                submitted.extend(submit(now) for _ in range(10))
    finally:
        connection.close()
