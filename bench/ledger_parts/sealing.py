"""From the outbox to a signed checkpoint while a thousand records come a second, with a Celery worker at work."""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

from django.db import connection, transaction
from django.utils import timezone

from bench.ledger_parts.records import KIND, body_of
from bench.rows import Row
from ledger.models import Checkpoint, Entry
from ledger.services import submit_entry, verify_log
from marketplace.embedded.processes import start_child, stop_child, wait_until

RATE = 1_000
SECONDS = 12
# The first seconds warm the worker and are not counted.
WARM_SECONDS = 2
WRITERS = 8
GOAL_MS = 500
LOOK_SECONDS = 0.002
ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def running_sequencer() -> Iterator[None]:
    """The worker of the ledger's queue alone, as production runs it. It answers once it has signed the empty log."""
    with tempfile.TemporaryDirectory(prefix="ownstream-bench-") as folder:
        log = Path(folder) / "worker.log"
        command = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "marketplace.celery",
            "worker",
            "-B",
            "-P",
            "threads",
            "-c",
            "1",
        ]
        command += ["-Q", "ledger", "-s", str(Path(folder) / "beat"), "--without-gossip", "--without-mingle"]
        with log.open("wb") as output:
            worker = start_child(command, environment=os.environ, output=output, folder=ROOT)
        try:
            wait_until(Checkpoint.objects.exists, child=worker, name="The worker", log=log)
            yield
        finally:
            stop_child(worker)


class Watch:
    """Notes when each signed size was first seen."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self.is_over = threading.Event()

    def look(self) -> None:
        while not self.is_over.is_set():
            with connection.cursor() as cursor:
                cursor.execute("SELECT size FROM ledger_loghead WHERE note <> ''")
                for (size,) in cursor.fetchall():
                    if not self.seen or size > self.seen[-1][0]:
                        self.seen.append((size, time.monotonic()))
            time.sleep(LOOK_SECONDS)
        connection.close()


def submit_at_rate(writer: int) -> dict[UUID, float]:
    """Commit records at even distances, and return when each transaction began."""
    times: dict[UUID, float] = {}
    start = time.monotonic() + writer / RATE
    for number in range(RATE * SECONDS // WRITERS):
        time.sleep(max(0.0, start + number * WRITERS / RATE - time.monotonic()))
        began = time.monotonic()
        with transaction.atomic():
            key = uuid4()
            times[submit_entry(kind=KIND, body=body_of(key), key=key, at=timezone.now(), refs=[str(key)])] = began
    connection.close()
    return times


def delays(submitted: dict[UUID, float], seen: list[tuple[int, float]]) -> list[float]:
    """Return how long each counted record took until its checkpoint was seen."""
    indices = dict(Entry.objects.values_list("entry_id", "index"))
    counted_from = min(submitted.values()) + WARM_SECONDS
    seconds = []
    for entry_id, began in submitted.items():
        if began >= counted_from:
            index = indices[entry_id]
            seconds.append(next(at for size, at in seen if size > index) - began)
    return seconds


def rows() -> list[Row]:
    watch = Watch()
    with running_sequencer(), ThreadPoolExecutor(WRITERS + 1) as threads:
        watching = threads.submit(watch.look)
        began = time.monotonic()
        submitted = {
            entry_id: at for times in threads.map(submit_at_rate, range(WRITERS)) for entry_id, at in times.items()
        }
        rate = len(submitted) / (time.monotonic() - began)
        wait_for(watch, len(submitted))
        watch.is_over.set()
        watching.result()
    if Entry.objects.count() != RATE * SECONDS or not verify_log().is_good:
        raise AssertionError("The log does not hold every record once, or does not verify.")
    found = delays(submitted, watch.seen)
    p99 = statistics.quantiles(found, n=100)[-1] * 1000
    note = (
        f"(p50 {statistics.median(found) * 1000:.0f} ms, p99 {p99:.0f} ms; {rate:.0f} records a second were submitted)"
    )
    return [Row(f"{GOAL_MS} ms / p99 from outbox to signed at {RATE:,} records a second", GOAL_MS / p99, 1, note=note)]


def wait_for(watch: Watch, size: int) -> None:
    until = time.monotonic() + 60
    while not watch.seen or watch.seen[-1][0] < size:
        if time.monotonic() > until:
            raise AssertionError("The sequencer did not work the outbox off.")
        time.sleep(0.05)
