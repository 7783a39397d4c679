"""Nothing is lost and nothing comes twice: commits out of order, broken pipes, slow readers, a killed process."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.utils import timezone

from devices.arrivals import current_horizon
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from tests.delivery.live.conftest import Subscription, subscribe
from tests.delivery.live.process import LiveServer, Stream, wait_for


def send_one(subscription: Subscription, value: float) -> None:
    """A reading at a moment of its own: its value says which."""
    at = timezone.now() - timedelta(minutes=4) + timedelta(milliseconds=value)
    subscription.sender.send([(at, "air_temperature", value)], timezone.now())


@contextmanager
def uncommitted(subscription: Subscription, value: float) -> Iterator[threading.Event]:
    """An upload of another connection that waits with its commit until it is told."""
    has_sent, may_commit = threading.Event(), threading.Event()

    def upload() -> None:
        try:
            with transaction.atomic():
                send_one(subscription, value)
                has_sent.set()
                may_commit.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    has_sent.wait(30)
    try:
        yield may_commit
    finally:
        may_commit.set()
        thread.join()


def values(*streams: Stream) -> list[float]:
    return [row["air_temperature"] for stream in streams for row in stream.rows]


def test_an_upload_that_commits_late_is_neither_waited_for_nor_lost(
    server: LiveServer, subscription: Subscription
) -> None:
    stream = subscription.open(server)
    with uncommitted(subscription, 1.0) as may_commit:
        send_one(subscription, 2.0)
        wait_for(lambda: values(stream) == [2.0], "the one that was committed")
        stream.close()
        again = subscription.open(server, stream.last_id)
        send_one(subscription, 3.0)
        wait_for(lambda: values(again) == [3.0], "the next one")
        may_commit.set()
        wait_for(lambda: values(again) == [3.0, 1.0], "the late one")
    third = subscription.open(server, stream.last_id)
    wait_for(lambda: sorted(values(third)) == [1.0, 3.0], "both, from the old place")


def test_a_reader_who_comes_back_often_gets_each_row_once(server: LiveServer, sara: User, ben: User) -> None:
    subscription = subscribe(sara, ben)
    count, uploaders = 120, 4
    left = iter(range(count))
    lock = threading.Lock()
    device = subscription.sender

    def upload() -> None:
        chance = random.Random(threading.get_ident())
        try:
            while True:
                with lock:
                    number = next(left, None)
                    if number is None:
                        return
                    device.sequence += 1
                    sender = type(device)(device.device, device.key, device.sequence - 1)
                with transaction.atomic():
                    at = timezone.now() - timedelta(minutes=4) + timedelta(milliseconds=number)
                    sender.send([(at, "air_temperature", float(number))], timezone.now())
                    time.sleep(chance.random() / 20)
        finally:
            connection.close()

    threads = [threading.Thread(target=upload) for _ in range(uploaders)]
    streams = [subscription.open(server)]
    steady = subscription.open(server)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.15)
        streams[-1].close()
        wait_for(streams[-1].has_ended.is_set, "the reader's end")
        streams.append(subscription.open(server, streams[-1].last_id))
    expected = [float(number) for number in range(count)]
    wait_for(lambda: len(values(*streams)) >= count and len(values(steady)) >= count, "all rows")
    time.sleep(0.5)
    assert len(streams) > 5
    assert sorted(values(*streams)) == expected
    assert sorted(values(steady)) == expected


def test_goes_on_after_the_process_was_killed(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    send_one(subscription, 1.0)
    wait_for(lambda: values(stream) == [1.0], "a row")
    server.kill()
    wait_for(stream.has_ended.is_set, "the end")
    send_one(subscription, 2.0)
    server.start()
    again = subscription.open(server, stream.last_id)
    send_one(subscription, 3.0)
    wait_for(lambda: values(again) == [2.0, 3.0], "what came meanwhile")
    assert sum(Read.objects.values_list("row_count", flat=True)) == 3


@pytest.mark.parametrize("is_at_start", [True, False])
def test_goes_on_without_redis(
    sara: User, ben: User, tmp_path: Path, transactional_db: None, is_at_start: bool
) -> None:
    quiet = LiveServer(tmp_path, CACHE_URL="unix:///nowhere/valkey?db=1")
    quiet.start()
    try:
        subscription = subscribe(sara, ben)
        stream = subscription.open(quiet)
        if not is_at_start:
            time.sleep(1.5)
        send_one(subscription, 1.0)
        wait_for(lambda: values(stream) == [1.0], "a row", 5)
    finally:
        quiet.kill()


def test_a_reader_who_vanishes_costs_nothing(server: LiveServer, subscription: Subscription) -> None:
    stream = subscription.open(server)
    stream.close()
    time.sleep(0.3)
    send_one(subscription, 1.0)
    time.sleep(1.5)
    assert not Read.objects.exists()
    assert b"Traceback" not in server.log.read_bytes()


def test_ten_slow_readers_are_cut_and_hold_up_nobody(server: LiveServer, subscription: Subscription) -> None:
    slow = [open_and_never_read(server, subscription) for _ in range(10)]
    stream = subscription.open(server)
    many = [float(number) for number in range(10_000)]
    started_at, place = time.monotonic(), current_horizon()
    for _ in range(16):
        subscription.send(*many)
        time.sleep(0.05)
    wait_for(lambda: len(stream.rows) == 160_000, "the quick reader's rows", 60)
    wait_for(lambda: server.log.read_text().count("code=reader_too_slow") == 10, "the cuts", 60)
    assert time.monotonic() - started_at < 60
    counted = sum(Read.objects.values_list("row_count", flat=True)) - 160_000
    # Each has what its connection had taken, and the piece that it left unread.
    assert counted % 10_000 == 0
    assert counted <= 10 * 16 * 10_000
    assert memory_of(server) < 400 * 1024 * 1024
    again = subscription.open(server, place.text())
    wait_for(lambda: len(again.rows) == 160_000, "everything, for who comes back", 60)
    for connection_ in slow:
        connection_.close()
    assert b"Traceback" not in server.log.read_bytes()


def open_and_never_read(server: LiveServer, subscription: Subscription) -> socket.socket:
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", server.port))
    head = f"GET {subscription.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {subscription.text}\r\n\r\n"
    reader.sendall(head.encode())
    assert reader.recv(12) == b"HTTP/1.1 200"
    return reader


def memory_of(server: LiveServer) -> int:
    """Resident bytes of the process that holds the streams."""
    (worker,) = Path(f"/proc/{server.child.pid}/task/{server.child.pid}/children").read_text().split()[-1:]
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096
