"""Uploads over HTTP against what they cannot do without: the same checks and inserts in a loop, and rows by COPY.

The server is the real one, with the flags of `make run`; PostgreSQL makes every batch durable. No worker runs: what
becomes of stored batches in the background is not an upload's cost. Every way stores the same envelopes, and the table
is emptied after each.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from nacl.signing import SigningKey

from bench.rows import Comparison, Row, compare
from devices.agent.packs import encode_pack
from devices.agent.shapes import samples_at
from devices.batches import accept_batch
from devices.envelope import SENML_CBOR, SENML_JSON, open_envelope, sign_envelope, verify_envelope
from devices.models import Batch, Measure
from devices.senml import Pack, resolve_pack
from marketplace.accounts.models import User
from marketplace.embedded.processes import start_child, stop_child, wait_until
from marketplace.embedded.supervisor import ROOT, web_command
from tests.builders_devices import make_signing_device

CONNECTIONS = 32
BATCHES_EACH = 32
READINGS = 1_000
ROUNDS = 7
HOST = "127.0.0.1"
MICROS_TO_2000 = 946_684_800_000_000
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
ROW = [
    ("count", ">i2"),
    ("n0", ">i4"),
    ("device", ">i8"),
    ("n1", ">i4"),
    ("measure", ">i4"),
    ("n2", ">i4"),
    ("time", ">i8"),
    ("n3", ">i4"),
    ("value", ">f8"),
]

Envelopes = list[list[bytes]]


class Ways:
    """The ways to take the same signed batches."""

    def __init__(self, envelopes: Envelopes, keys: dict[bytes, bytes], client: "subprocess.Popen[str]") -> None:
        self.in_turns = [one for several in zip(*envelopes, strict=True) for one in several]
        self.keys = keys
        self.devices = {key_id: number for number, key_id in enumerate(keys)}
        self.client = client
        self.http_seconds: list[float] = []
        self.client_cpu_seconds = 0.0

    def over_http(self) -> None:
        if self.client.stdin is None or self.client.stdout is None:
            raise AssertionError("The client has no pipes.")
        self.client.stdin.write("\n")
        self.client.stdin.flush()
        answer = json.loads(self.client.stdout.readline())
        if answer["statuses"] != {"201": len(self.in_turns)}:
            raise AssertionError(f"The uploads were answered {answer['statuses']}.")
        self.http_seconds.append(answer["seconds"])
        self.client_cpu_seconds = answer["cpu_seconds"]

    def in_loop(self) -> None:
        for envelope in self.in_turns:
            accept_batch(envelope=envelope, at=timezone.now())

    def by_copy(self) -> None:
        """With the key that makes a resend harmless and a chart quick, as the batches have theirs."""
        self._copy_into("bench_reading")

    def by_bare_copy(self) -> None:
        """Without any index: nothing can be found in it, and a resend doubles it."""
        self._copy_into("bench_bare_reading")

    def by_written_rows(self) -> None:
        """As the driver's manual shows COPY: one write_row a reading, into the table with the key."""
        for device, measures, pack in self._resolved():
            moments = pack.times.astype("datetime64[us]").tolist()
            with connection.cursor() as cursor, cursor.copy("COPY bench_reading FROM STDIN") as copy:
                for measure, moment, value in zip(measures, moments, pack.values.tolist(), strict=True):
                    copy.write_row((device, measure, moment.replace(tzinfo=UTC), value))

    def _copy_into(self, table: str) -> None:
        """COPY each reading as a row, in the quickest form there is."""
        for device, measures, pack in self._resolved():
            rows = copy_rows(device, measures, pack.times, pack.values)
            with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
                copy.write(rows)

    def _resolved(self) -> Iterator[tuple[int, list[int], Pack]]:
        """Verify and resolve each batch."""
        measure_ids = dict(Measure.objects.values_list("name", "pk").order_by("pk"))
        for envelope in self.in_turns:
            opened = open_envelope(envelope)
            verify_envelope(opened, self.keys[opened.key_id])
            is_cbor = opened.content_type == SENML_CBOR
            pack = resolve_pack(opened.payload, is_cbor=is_cbor, issued_at=opened.issued_at)
            yield self.devices[opened.key_id], [measure_ids[name] for name in pack.names], pack


def copy_rows(device: int, measures: list[int], times: Any, values: Any) -> bytes:
    """PostgreSQL's binary COPY, made of whole columns: what the quickest program could send."""
    rows = np.zeros(len(measures), dtype=ROW)
    for name, size in (("n0", 8), ("n1", 4), ("n2", 8), ("n3", 8)):
        rows[name] = size
    rows["count"], rows["device"], rows["measure"] = 4, device, measures
    rows["time"], rows["value"] = times - MICROS_TO_2000, values
    return COPY_HEAD + rows.tobytes() + b"\xff\xff"


def make_payload(seed: int, batch: int, now: datetime, form: str) -> bytes:
    """A weather station's readings, one minute apart."""
    start, readings = int(now.timestamp()) - 86_400 * 60 + batch * 60 * READINGS // 6, []
    for minute in range(READINGS // 6 + 1):
        at = float(start + 60 * minute)
        readings += [
            (at, name, value, unit) for name, value, unit in samples_at("weather_station", seed=seed, unix_seconds=at)
        ]
    return encode_pack(readings[:READINGS], form=form)


def make_envelopes(now: datetime, form: str) -> tuple[Envelopes, dict[bytes, bytes]]:
    """Return each connection's signed batches, and the public keys by key id."""
    owner = User.objects.create_user("sara@example.test")
    content_type = SENML_JSON if form == "json" else SENML_CBOR
    envelopes: Envelopes = []
    keys: dict[bytes, bytes] = {}
    for seed in range(CONNECTIONS):
        key: SigningKey = make_signing_device(owner, now).key
        envelopes.append(
            [
                sign_envelope(
                    key=key,
                    content_type=content_type,
                    payload=make_payload(seed, batch, now, form),
                    issued_at=int(timezone.now().timestamp()),
                    sequence=batch + 1,
                )
                for batch in range(BATCHES_EACH)
            ]
        )
        keys[open_envelope(envelopes[-1][0]).key_id] = bytes(key.verify_key)
    return envelopes, keys


def write_envelopes(envelopes: Envelopes, folder: Path) -> None:
    for number, own in enumerate(envelopes):
        content = b"".join(len(envelope).to_bytes(4, "big") + envelope for envelope in own)
        (folder / f"{number:03}").write_bytes(content)


@contextmanager
def running_client(envelopes: Envelopes) -> Iterator["subprocess.Popen[str]"]:
    """The web server with the flags of `make run`, and the client on its connections."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ownstream-bench-") as made:
        folder = Path(made)
        log = folder / "web.log"
        (folder / "envelopes").mkdir()
        write_envelopes(envelopes, folder / "envelopes")
        with log.open("wb") as output:
            command = [sys.executable, *web_command(HOST, port)]
            server = start_child(command, environment=os.environ, output=output, folder=ROOT)
        try:
            wait_until(lambda: answers(port), child=server, name="The web server", log=log)
            command = [sys.executable, "-m", "bench.uploader", HOST, str(port), str(folder / "envelopes")]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as client:
                yield client
                if client.stdin is not None:
                    client.stdin.close()
        finally:
            stop_child(server)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/log/vkey", timeout=5):
            return True
    except OSError:
        return False


def check(ways: Ways) -> None:
    """Every way must store what it says before its time counts for anything."""
    for way in (ways.in_loop, ways.over_http):
        way()
        stored = {(batch.sequence, batch.original_envelope) for batch in Batch.objects.all()}
        wanted = {(open_envelope(envelope).sequence, envelope) for envelope in ways.in_turns}
        if stored != wanted or Batch.objects.count() != len(ways.in_turns):
            raise AssertionError(f"{way.__name__} did not store the batches as they were sent.")
        empty()
    check_copies(ways)


def check_copies(ways: Ways) -> None:
    ways.by_copy()
    ways.by_bare_copy()
    wanted = len(ways.in_turns) * READINGS
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bench_reading JOIN bench_bare_reading USING (device, measure, at, value)")
        found = cursor.fetchone()
        cursor.execute("SHOW fsync")
        is_durable = cursor.fetchone() == ("on",)
    if found != (wanted,) or not is_durable:
        raise AssertionError(f"COPY left {found} rows instead of {wanted:,}; durable: {is_durable}.")
    empty()
    ways.by_written_rows()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bench_reading")
        if cursor.fetchone() != (wanted,):
            raise AssertionError("COPY by write_row left another number of rows.")
    empty()


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE devices_batch, bench_reading, bench_bare_reading")
        cursor.execute("CHECKPOINT")


def run() -> list[Row]:
    with connection.cursor() as cursor:
        columns = "device bigint, measure int, at timestamptz, value double precision"
        cursor.execute(f"CREATE TABLE bench_bare_reading ({columns})")
        cursor.execute(f"CREATE TABLE bench_reading ({columns}, PRIMARY KEY (device, measure, at))")
    envelopes, keys = make_envelopes(datetime.now(UTC), "json")
    with running_client(envelopes) as client:
        ways = Ways(envelopes, keys, client)
        check(ways)
        loop = compare(ways.over_http, ways.in_loop, rounds=ROUNDS, between=empty)
        copy = compare(ways.over_http, ways.by_copy, rounds=ROUNDS, between=empty)
        bare = compare(ways.over_http, ways.by_bare_copy, rounds=ROUNDS, between=empty)
        written = compare(ways.over_http, ways.by_written_rows, rounds=ROUNDS, between=empty)
        share = ways.client_cpu_seconds / sum(ways.http_seconds)
    return [
        row(f"upload over HTTP, {CONNECTIONS} connections / loop that verifies and inserts", loop, 0.9, ways),
        row(f"upload over HTTP / loop that verifies and COPYs {READINGS:,} rows by write_row, keyed", written, 3, ways),
        row("upload over HTTP / the same with rows prebuilt in binary by numpy, keyed", copy, 3, ways),
        row("upload over HTTP / the same with rows prebuilt in binary by numpy, no index", bare, None, ways),
        Row("part of a processor that the client took", share),
    ]


def row(name: str, comparison: Comparison, goal: float | None, ways: Ways) -> Row:
    count = len(ways.in_turns)
    rates = (count / comparison.first_seconds, count / comparison.second_seconds)
    return Row(name, 1 / comparison.ratio, goal, note=f"({rates[0]:.0f} against {rates[1]:.0f} batches a second)")
