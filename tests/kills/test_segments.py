"""kill -9 of the worker while it makes a table's files: each version is whole, and no reading is lost or doubled."""

from __future__ import annotations

import ctypes
import io
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import polars
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from marketplace.access.services import authorise
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.services import current_version, files_for, refresh_table, sweep_files
from marketplace.delivery.tables.refresh import MOST_PARTS
from marketplace.listings.models import Listing
from tests.builders_delivery import SigningDevice, buy_token, day_start, make_stocked_listing
from tests.conftest import make_person
from tests.kills.barriers import Barriers, wait_for
from tests.kills.processes import Worker, is_broker_idle

REFRESH = "marketplace.delivery.tasks.refresh_table_task"
# So large that a file takes many writes.
ROWS = 100_000
TRIES = 5
_IN_MODIFY = 2
QUARTER = timedelta(seconds=0.25)


@dataclass
class Sold:
    """A listing that was sold, of readings of yesterday."""

    sender: SigningDevice
    listing: Listing
    text: str
    start: datetime
    sent: set[tuple[datetime, float]] = field(default_factory=set)

    def send(self, count: int, at: datetime) -> None:
        """Newer ones, each of another moment and value."""
        first = len(self.sent)
        rows = [(self.start + number * QUARTER, 20 + number / 7) for number in range(first, first + count)]
        for place in range(0, count, 10_000):
            self.sender.send([(time, "air_temperature", value) for time, value in rows[place : place + 10_000]], at)
        self.sent |= set(rows)

    def rows(self, version: int) -> list[tuple[datetime, float]]:
        """As a reader sees them, who checks each file against what he was told of it."""
        grant = authorise(token=self.text, at=timezone.now())
        found: list[tuple[datetime, float]] = []
        for file in files_for(grant, version=version):
            with default_storage.open(file.path) as opened:
                content = opened.read()
            assert (len(content), sha256(content).digest()) == (file.size, file.sha256)
            frame = polars.read_parquet(io.BytesIO(content))
            assert frame.height == file.row_count
            found += frame.select("time", "air_temperature").rows()
        return found


@pytest.fixture
def sold(worker: Worker, settings) -> Sold:
    settings.MEDIA_ROOT = worker.files
    at = timezone.now()
    start = day_start(at, 1)
    seller, buyer = make_person("sara"), make_person("ben")
    sender, listing = make_stocked_listing(seller, at, readings=[(start, "air_temperature", 20.0)])
    _, text = buy_token(listing, buyer, at)
    return Sold(sender, listing, text, start, {(start, 20.0)})


def grow(sold: Sold, parts: int) -> None:
    """Bring the day to so many parts."""
    while Segment.objects.current().count() < parts:
        sold.send(5, timezone.now())
        refresh_table(listing=sold.listing, at=timezone.now())


def prepare(sold: Sold, act: str) -> None:
    """Send what the next refresh puts beside the day, or has the day put together with."""
    grow(sold, MOST_PARTS)
    if act == "part":
        sold.send(1, timezone.now())
        refresh_table(listing=sold.listing, at=timezone.now())
    sold.send(50, timezone.now())


@contextmanager
def reader(sold: Sold) -> Iterator[list[int]]:
    """Somebody reads the newest version all the time: it is whole, each row once."""
    versions: list[int] = []
    errors: list[Exception] = []
    is_over = threading.Event()

    def read() -> None:
        try:
            while not is_over.is_set():
                version = current_version(sold.listing)
                found = sold.rows(version)
                assert len(found) == len(set(found))
                assert set(found) <= sold.sent
                versions.append(version)
                time.sleep(0.02)
        except Exception as error:  # noqa: BLE001 - the test raises it
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield versions
    finally:
        is_over.set()
        thread.join()
    assert errors == []
    assert versions


def assert_whole(sold: Sold, before: dict[int, list[tuple[datetime, float]]]) -> None:
    """The newest version has everything once; those of before are as they were."""
    version = current_version(sold.listing)
    found = sold.rows(version)
    assert (len(found), set(found)) == (len(sold.sent), sold.sent)
    assert {older: sold.rows(older) for older in before} == before
    named = {segment.path for segment in Segment.objects.all()}
    sweep_files(at=timezone.now() + timedelta(hours=5))
    assert {path for path in named if default_storage.exists(path)} == named


def is_done(sold: Sold) -> bool:
    return sum(Segment.objects.current().values_list("row_count", flat=True)) == len(sold.sent) and is_broker_idle()


def is_done_again(sold: Sold, worker: Worker, killed: list[int]) -> bool:
    return worker.tasks() not in ([], killed) and is_done(sold)


@pytest.mark.parametrize("act", ["part", "whole"])
def test_killed_at_each_place_where_it_writes(sold: Sold, worker: Worker, places: Barriers, act: str) -> None:
    prepare(sold, act)
    found = places.trace(lambda: refresh_table(listing=sold.listing, at=timezone.now()))
    names = [place.name for place in found]
    assert {"insert delivery_segment", "update delivery_deliverytable"} <= set(names)
    for name in [*names, "commit delivery_segment"]:
        prepare(sold, act)
        before = {version: sold.rows(version) for version in range(1, current_version(sold.listing) + 1)}
        with reader(sold) as versions:
            with places.stop_at(name):
                worker.send(REFRESH, sold.listing.pk)
            worker.kill_task()
            places.open()
            killed_at = current_version(sold.listing)
            wait_for(partial(versions.__contains__, killed_at), "nobody read after the killing")
            worker.go_on()
            wait_for(lambda: is_done(sold), f"not done after {name}")
        print(
            act,
            "killed at",
            name,
            "version",
            max(before),
            "then",
            killed_at,
            "in the end",
            current_version(sold.listing),
        )
        assert_whole(sold, before)


@pytest.mark.parametrize("act", ["part", "whole"])
def test_killed_in_the_middle_of_a_file(sold: Sold, worker: Worker, act: str) -> None:
    sold.send(ROWS, timezone.now())
    refresh_table(listing=sold.listing, at=timezone.now())
    cut: list[Path] = []
    for _ in range(TRIES):
        grow(sold, MOST_PARTS if act == "whole" else 1)
        if act == "part" and Segment.objects.current().count() >= MOST_PARTS:
            break
        sold.send(ROWS // 4 if act == "part" else 50, timezone.now())
        before = {current_version(sold.listing): sold.rows(current_version(sold.listing))}
        killed = worker.tasks()
        begin = partial(worker.send, REFRESH, sold.listing.pk)
        left = kill_in_the_middle_of_a_file(worker, worker.files / "tables", begin)
        cut += [] if is_whole(left) else [left]
        assert {version: sold.rows(version) for version in before} == before
        wait_for(partial(is_done_again, sold, worker, killed), "not done after the killing")
        assert_whole(sold, before)
        if len(cut) == 2:
            break
    print(act, "killed with part of a file written:", [(path.name[:8], path.stat().st_size) for path in cut])
    assert cut
    sweep_files(at=timezone.now() + timedelta(hours=7))
    assert not any(path.exists() for path in cut)
    assert DeliveryTable.objects.get().version == current_version(sold.listing)


def is_whole(path: Path) -> bool:
    try:
        polars.read_parquet(io.BytesIO(path.read_bytes()))
    except Exception:  # noqa: BLE001 - whatever a reader would stumble over
        return False
    return True


def kill_in_the_middle_of_a_file(worker: Worker, folder: Path, begin: Callable[[], None]) -> Path:
    """Kill the task after the first write of many to its new file, which is named."""
    known = set(folder.rglob("*.parquet"))
    (task,) = wait_for(worker.tasks, "nobody runs tasks")
    watch = watch_writes(folder)
    try:
        with ahead_of(task):
            begin()
            assert select.select([watch], [], [], 30.0)[0], "nothing was written"
            os.kill(task, signal.SIGKILL)
    finally:
        os.close(watch)
    return min(set(folder.rglob("*.parquet")) - known, key=is_whole)


@contextmanager
def ahead_of(task: int) -> Iterator[None]:
    """Let the task run on our processor only while we wait, so that the kernel's word of a write stops it."""
    processors, one = os.sched_getaffinity(0), {min(os.sched_getaffinity(0))}
    os.sched_setscheduler(task, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(task, one)
    os.sched_setaffinity(0, one)
    # Programs of other sessions may be weighed as equals; real time, where we may, comes before all.
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, processors)


def watch_writes(folder: Path) -> int:
    """Linux's inotify, which the standard library does not know."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = int(libc.inotify_init1(0))
    for number in range(256):
        inner = folder / f"{number:02x}"
        inner.mkdir(parents=True, exist_ok=True)
        assert libc.inotify_add_watch(watch, os.fsencode(inner), _IN_MODIFY) >= 0
    return watch
