"""Delta Sharing: a query over many files, and the official client on our server against a bare one."""

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from bench.delivery_parts.server import HOST, free_port, running, running_web
from bench.rows import Row, compare, percentile_95
from marketplace.accounts.models import User
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.tables.files import WrittenFile, time_range, write_rows
from marketplace.embedded.supervisor import ROOT
from marketplace.listings.models import Listing
from tests.builders_delivery import buy_token, make_stocked_listing

FILES, QUERIES = 1_000, 200
QUERY_GOAL_SECONDS = 0.050
ROWS, ROWS_A_FILE = 10_000_000, 500_000
LOADS = 5
CLIENT = ROOT / ".venv-clients" / "bin" / "python"
DELTA = {"delta-sharing-capabilities": "responseformat=delta"}
# Loads once for each line that it is sent: a profile with its table.
LOADER = """
import json, sys, time
import delta_sharing
for line in sys.stdin:
    started = time.perf_counter()
    frame = delta_sharing.load_as_pandas(line.strip())
    print(json.dumps([len(frame), time.perf_counter() - started]), flush=True)
"""


@dataclass
class Shared:
    listing: Listing
    text: str

    @property
    def path(self) -> str:
        return f"/shares/{self.listing.share_name}/schemas/data/tables/readings"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


def run() -> Iterator[Row]:
    shared = make_shared()
    put_files(shared.listing, [WrittenFile(f"tables/none/{number}", 1, 1, bytes(32)) for number in range(FILES)])
    yield query_row(shared)
    if not CLIENT.exists():
        yield Row("load_as_pandas: `make clients` first", 0.0)
        return
    put_files(shared.listing, [write_rows(rows_of_file(number)) for number in range(ROWS // ROWS_A_FILE)])
    with running_web() as address:
        yield from load_rows(shared, address)


def make_shared() -> Shared:
    sara, ben = (User.objects.create_user(f"{name}@example.test") for name in ("sara", "ben"))
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at)
    _, text = buy_token(listing, ben, at)
    return Shared(listing, text)


def put_files(listing: Listing, files: list[WrittenFile]) -> None:
    """Have the table's first version hold these and no others, a file a day."""
    table = DeliveryTable.objects.get(listing=listing)
    table.segments.all().delete()
    first = date(2020, 1, 1)
    days = [first + timedelta(days=number) for number in range(len(files))]
    Segment.objects.bulk_create(
        Segment(
            table=table,
            day=day,
            end_day=day + timedelta(days=1),
            added_version=1,
            added_at=table.updated_at,
            path=file.path,
            row_count=file.row_count,
            reading_count=file.row_count,
            signed_count=0,
            size=file.size,
            sha256=file.sha256,
            first_at=datetime(day.year, day.month, day.day, tzinfo=UTC),
            last_at=datetime(day.year, day.month, day.day, 23, tzinfo=UTC),
        )
        for day, file in zip(days, files, strict=True)
    )


def rows_of_file(number: int) -> polars.DataFrame:
    """A sensor's readings, some five a second, with all of a double's digits."""
    start = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=number)
    micros = np.arange(ROWS_A_FILE) * 170_000 + int(start.timestamp()) * 1_000_000
    values = 20 + np.random.default_rng(number).normal(size=ROWS_A_FILE).cumsum() / 100
    times = polars.Series("time", micros).cast(polars.Datetime("us", "UTC"))
    devices = polars.Series("device", ["device-1"]).new_from_index(0, ROWS_A_FILE)
    frame = polars.DataFrame([times, devices, polars.Series("air_temperature", values)])
    assert time_range(frame)[0] == start
    return frame


def query_row(shared: Shared) -> Row:
    client, seconds = Client(SERVER_NAME="localhost"), []
    for _ in range(QUERIES):
        started = time.perf_counter()
        path = f"/delta-sharing{shared.path}/query"
        answer = client.post(path, b"{}", content_type="application/json", headers={**shared.headers, **DELTA})
        seconds.append(time.perf_counter() - started)
        if answer.content.count(b"\n") != FILES + 2:
            raise AssertionError(f"The query was answered {answer.status_code} with other than {FILES} files.")
    found = percentile_95(seconds)
    name = f"{QUERY_GOAL_SECONDS * 1000:.0f} ms / query of {FILES:,} files, p95"
    return Row(
        name,
        QUERY_GOAL_SECONDS / found,
        1.0,
        note=f"({found * 1000:.1f} ms; median {statistics.median(seconds) * 1000:.1f} ms)",
    )


def load_rows(shared: Shared, address: str) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="ownstream-bench-") as made,
        running_stub(shared, address, Path(made)) as stub,
    ):
        ours = profile(Path(made) / "ours.share", f"{address}/delta-sharing", shared)
        bare = profile(Path(made) / "bare.share", f"{stub}/delta-sharing", shared)
        pipe = subprocess.PIPE
        with subprocess.Popen([CLIENT, "-c", LOADER], stdin=pipe, stdout=pipe, text=True) as loader:
            load(loader, bare)
            requests = int(fetch(f"{stub}/count"))
            comparison = compare(lambda: load(loader, ours), lambda: load(loader, bare), rounds=LOADS)
            if loader.stdin is not None:
                loader.stdin.close()
    seconds = (comparison.first_seconds, comparison.second_seconds)
    note = f"({seconds[0]:.2f} s against {seconds[1]:.2f} s)"
    yield Row(f"load_as_pandas of {ROWS:,} readings / the same on a bare server", 1 / comparison.ratio, 0.9, note=note)
    files = ROWS // ROWS_A_FILE
    note = f"({requests} requests for {files} files)"
    yield Row("3 requests and one a file / requests of load_as_pandas", (3 + files) / requests, 1.0, note=note)


def load(loader: "subprocess.Popen[str]", table: str) -> None:
    if loader.stdin is None or loader.stdout is None:
        raise AssertionError("The client has no pipes.")
    loader.stdin.write(f"{table}\n")
    loader.stdin.flush()
    count, _ = json.loads(loader.stdout.readline())
    if count != ROWS:
        raise AssertionError(f"The client loaded {count:,} rows.")


@contextmanager
def running_stub(shared: Shared, address: str, folder: Path) -> Iterator[str]:
    """A bare server with our answers and our files."""
    port = free_port()
    stub = f"http://{HOST}:{port}"
    base = f"{address}/delta-sharing{shared.path}"
    (folder / "metadata").write_bytes(fetch(f"{base}/metadata", shared.headers | DELTA))
    query = fetch(f"{base}/query", shared.headers | DELTA | {"Content-Type": "application/json"}, b"{}")
    (folder / "query").write_bytes(query.replace(address.encode(), stub.encode()))
    for segment in Segment.objects.filter(table__listing=shared.listing):
        (folder / f"{segment.public_id}.parquet").symlink_to(default_storage.path(segment.path))
    if len(re.findall(stub.encode(), query.replace(address.encode(), stub.encode()))) != ROWS // ROWS_A_FILE:
        raise AssertionError("The answer names other files.")
    command = [sys.executable, "-m", "bench.delivery_parts.stub", str(port), str(folder)]
    with running(command, f"{stub}/count"):
        yield stub


def profile(path: Path, endpoint: str, shared: Shared) -> str:
    """Write a profile file and return the table's name in it, as the client takes it."""
    path.write_text(json.dumps({"shareCredentialsVersion": 1, "endpoint": endpoint, "bearerToken": shared.text}))
    return f"{path}#{shared.listing.share_name}.data.readings"


def fetch(address: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(address, body, headers or {}), timeout=60) as answer:
        content: bytes = answer.read()
        return content
