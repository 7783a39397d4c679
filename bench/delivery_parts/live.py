"""A thousand readers of live streams, each with his own token, on one process; and what telling it costs uploads."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from unittest import mock

from django.utils import timezone

from bench.money_parts.market import fill, make_accounts, make_people
from bench.rows import Row, compare
from devices import batches
from devices.envelope import SENML_JSON, sign_envelope
from ledger.services import sequence_batch
from marketplace.access.services import issue_token
from marketplace.delivery.models import Read
from marketplace.embedded.processes import start_child, stop_child, wait_until
from marketplace.embedded.supervisor import ROOT, live_command
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import buy_listing
from tests.builders import EURO
from tests.builders_delivery import SigningDevice, make_stocked_listing

HOST = "127.0.0.1"
BUYERS = 100
TOKENS_EACH = 10
SECONDS = 20
EVENTS_A_SECOND = 10
MOST_DELAY_SECONDS = 1.0
MOST_MEMORY_KIB = 100
UPLOADS = 400


@contextmanager
def live_server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/live/health", timeout=5):
                return True
        except OSError:
            return False

    log = Path(tempfile.mkstemp(suffix=".log")[1])
    with log.open("wb") as output:
        command = [sys.executable, *live_command(HOST, port)]
        child = start_child(command, environment=os.environ, output=output, folder=ROOT)
    try:
        wait_until(answers, child=child, name="The live server", log=log)
        yield port, child
    finally:
        stop_child(child)
        log.unlink()


def resident_kib(child: subprocess.Popen[bytes]) -> float:
    """Of the process that holds the streams, the newest child of the one that was started."""
    worker = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[-1]
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def make_readers(at: datetime) -> tuple[SigningDevice, list[tuple[str, str]]]:
    """Return the device that sends, and a path and a token for each reader."""
    [seller], buyers = make_people("sara", 1), make_people("ben", BUYERS)
    fill(make_accounts(buyers, "wallet"), 20)
    sender, listing = make_stocked_listing(seller, at, plans=[PlanTerms("period", EURO, 30 * 86_400)])
    plan = listing.plans.get()
    purchases = [
        buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at) for buyer in buyers
    ]
    while sequence_batch(at=at):
        pass
    readers = [
        (f"/live/{purchase.public_id}/readings", issue_token(purchase=purchase, at=at)[1])
        for purchase in purchases
        for _ in range(TOKENS_EACH)
    ]
    return sender, readers


def send_for(sender: SigningDevice, seconds: float) -> int:
    """Ten uploads a second, each with the moment of its sending as its value. Returns how many."""
    count = int(seconds * EVENTS_A_SECOND)
    started = time.time()
    for number in range(count):
        time.sleep(max(0.0, started + number / EVENTS_A_SECOND - time.time()))
        at = timezone.now()
        sender.send([(at, "air_temperature", time.time())], at)
    return count


def reading() -> Iterator[Row]:
    sender, readers = make_readers(timezone.now())
    with live_server() as (port, child):
        # What the process needs whoever reads is there after the first few.
        watch(port, sender, readers[:20], 3, lambda: 0.0)
        before, first = resident_kib(child), Read.objects.count()
        sent, after, delays = watch(port, sender, readers, SECONDS, lambda: resident_kib(child))
    counted = sum(Read.objects.order_by("pk")[first:].values_list("row_count", flat=True))
    used = (after - before) / len(readers)
    if len(delays) != sent * len(readers) or counted != len(delays):
        raise AssertionError(f"{sent * len(readers)} rows were due, {len(delays)} came.")
    p99 = statistics.quantiles(delays, n=100)[-1]
    note = f"({statistics.median(delays):.3f} s the median, {p99:.3f} s the slowest hundredth)"
    yield Row(
        f"{len(readers):,} live readers, {EVENTS_A_SECOND} events/s: 1 s / delay", MOST_DELAY_SECONDS / p99, 1, note
    )
    yield Row("memory of a live reader: 100 KiB / its", MOST_MEMORY_KIB / used, 1, f"({used:.0f} KiB)")


def watch(
    port: int, sender: SigningDevice, readers: Sequence[tuple[str, str]], seconds: float, look: Callable[[], float]
) -> tuple[int, float, list[float]]:
    """Send while they read. Returns how many uploads were sent, what `look` saw at their end, and each row's delay."""
    command = [sys.executable, "-m", "bench.delivery_parts.live_readers"]
    client = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(json.dumps({"host": HOST, "port": port, "seconds": seconds + 5}) + "\n")
    client.stdin.writelines(f"{path} {token}\n" for path, token in readers)
    client.stdin.close()
    if client.stdout.readline() != "connected\n":
        raise AssertionError("Not every reader got his stream.")
    sent = send_for(sender, seconds)
    seen = look()
    delays = json.loads(client.stdout.readline())
    client.wait()
    return sent, seen, delays


def uploading() -> Iterator[Row]:
    at = timezone.now()
    [seller] = make_people("sender", 1)
    sender, _ = make_stocked_listing(seller, at)

    def upload() -> None:
        for _ in range(UPLOADS):
            sender.sequence += 1
            payload = json.dumps([{"n": "air_temperature", "u": "Cel", "t": at.timestamp(), "v": sender.sequence}])
            envelope = sign_envelope(
                key=sender.key,
                content_type=SENML_JSON,
                payload=payload.encode(),
                issued_at=int(at.timestamp()),
                sequence=sender.sequence,
            )
            batches.accept_batch(envelope=envelope, at=timezone.now())

    def upload_unsaid() -> None:
        with mock.patch.object(batches, "announce_batch"):
            upload()

    comparison = compare(upload_unsaid, upload)
    note = f"({comparison.second_seconds / UPLOADS * 1e6:.0f} us an upload of one reading)"
    yield Row("uploads unsaid / told to live streams", comparison.ratio, 0.95, note)


def run() -> Iterator[Row]:
    yield from uploading()
    yield from reading()
