"""Downloads: a large file through nginx and by the web itself, slow readers beside pages, exports as text."""

import hashlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.utils import timezone

from bench.delivery_parts.server import HOST, free_port
from bench.delivery_parts.sharing import put_files, rows_of_file
from bench.rows import Row, compare
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.delivery.exports.formats import Format
from marketplace.delivery.exports.making import Wish, prepared_export
from marketplace.delivery.models import Export, Segment
from marketplace.delivery.tables.files import EXPORTS, write_rows
from marketplace.embedded.processes import start_child, stop_child
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.delivery.live.nginx import Nginx, find_nginx
from tests.delivery.live.process import LiveServer, WebServer, wait_for

Server = TypeVar("Server", bound=LiveServer)
BYTES, ROUNDS = 1024**3, 9
PART_BYTES = 16 * 1024**2
READERS, BYTES_A_SECOND = 64, "256k"
PAGE, VISITS, TURNS = "/catalogue/", 40, 5
# Of one process, for all readers together: what is on its way to each of them.
MOST_MEMORY = READERS * 4 * 1024**2
FILES = 2
INSTANT = "%Y-%m-%dT%H:%M:%S%.6fZ"


@dataclass
class Bought:
    token: AccessToken
    text: str

    def address(self, server: LiveServer, form: str) -> str:
        return f"http://{HOST}:{server.port}/data/{self.token.purchase.public_id}/readings?format={form}"


def run() -> Iterator[Row]:
    bought = make_bought()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ownstream-bench-")))
        web = stack.enter_context(running(WebServer(folder_in(folder, "web"), MEDIA_ROOT=str(settings.MEDIA_ROOT))))
        yield from export_rows(bought, web, folder)
        large = put_large_export(bought)
        if not find_nginx():
            yield Row("downloads through nginx: install it, or name it in NGINX", 0.0)
        else:
            yield from large_file_rows(stack, folder, bought, web, large)


def large_file_rows(stack: ExitStack, folder: Path, bought: Bought, web: WebServer, large: Export) -> Iterator[Row]:
    behind = WebServer(folder_in(folder, "behind"), MEDIA_ROOT=str(settings.MEDIA_ROOT), NGINX_SENDS_FILES="1")
    stack.enter_context(running(behind))
    port = free_port()
    alone = f"server {{ listen {HOST}:{port}; location / {{ alias {settings.MEDIA_ROOT}/; sendfile on; }} }}"
    nginx = Nginx(folder_in(folder, "nginx"), behind, alone, listen="listen 127.0.0.1:{port};")
    stack.enter_context(running(nginx))
    stack.enter_context(watching(behind))
    bare = f"http://{HOST}:{port}/{large.path}"
    yield from rows_of_server("through nginx", [nginx, behind], 0.95, bought, large, bare)
    yield from rows_of_server("by the web itself", [web], 0.7, bought, large, bare)


def rows_of_server(
    name: str, processes: list[LiveServer], goal: float, bought: Bought, large: Export, bare: str
) -> Iterator[Row]:
    """processes: who answers, and then who works for him. bare: where nginx alone has the same file."""
    server = processes[0]
    address = bought.address(server, "parquet")
    page_seconds(f"http://{HOST}:{server.port}{PAGE}")
    before = peak_memory(*processes)
    check_whole(address, bought, large)
    compared = compare(lambda: fetch(address, bought), lambda: fetch(bare, bought), rounds=ROUNDS)
    speeds = [BYTES / seconds / 1e9 for seconds in (compared.first_seconds, compared.second_seconds)]
    yield Row(f"1 GiB {name} / nginx alone", 1 / compared.ratio, goal, "({:.2f} GB/s against {:.2f})".format(*speeds))
    yield page_row(name, server, address, bought)
    grown = peak_memory(*processes) - before
    note = f"(a process grew by {grown / 1024**2:.0f} MiB at most)"
    yield Row(f"{MOST_MEMORY // 1024**2} MiB / memory for all of that, {name}", MOST_MEMORY / max(grown, 1), 1.0, note)


def page_row(name: str, server: LiveServer, address: str, bought: Bought) -> Row:
    """How fast a page is without and beside slow readers, in turns."""
    page = f"http://{HOST}:{server.port}{PAGE}"
    page_seconds(page)
    quiet, beside = [], []
    for _ in range(TURNS):
        quiet.append(page_seconds(page))
        with slow_readers(address, bought):
            beside.append(page_seconds(page))
    found = statistics.median(quiet), statistics.median(beside)
    note = f"({found[0] * 1000:.1f} ms, beside them {found[1] * 1000:.1f} ms)"
    return Row(f"a page alone / beside {READERS} slow readers, {name}", found[0] / found[1], 0.9, note)


def export_rows(bought: Bought, web: WebServer, folder: Path) -> Iterator[Row]:
    """Made and sent over HTTP, against polars that reads the same files and writes the same to a file."""
    put_files(bought.token.purchase.listing, [write_rows(rows_of_file(number)) for number in range(FILES)])
    paths = [default_storage.path(path) for path in segment_paths(bought)]
    writers: dict[str, Callable[[polars.DataFrame, Path], None]] = {
        "csv": lambda rows, target: rows.write_csv(target),
        "ndjson": lambda rows, target: rows.write_ndjson(target),
    }
    for form, write in writers.items():
        ours, plain = folder / f"ours.{form}", folder / f"plain.{form}"

        def by_polars(write: Callable[[polars.DataFrame, Path], None] = write, target: Path = plain) -> None:
            rows = polars.read_parquet(paths)
            write(rows.with_columns(polars.col("time").dt.to_string(INSTANT)), target)

        def over_http(address: str = bought.address(web, form), target: str = "/dev/null") -> None:
            Export.objects.all().delete()
            fetch(address, bought, target)

        over_http(target=str(ours))
        by_polars()
        if ours.read_bytes() != plain.read_bytes():
            raise AssertionError(f"The {form} file is another than the one that polars writes.")
        compared = compare(over_http, by_polars, rounds=ROUNDS)
        note = f"({compared.first_seconds:.2f} s against {compared.second_seconds:.2f} s)"
        yield Row(f"{form} of 1,000,000 readings over HTTP / polars to a file", 1 / compared.ratio, 0.5, note)


def make_bought() -> Bought:
    sara, ben = (User.objects.create_user(f"{name}-of-downloads@example.test") for name in ("sara", "ben"))
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at)
    return Bought(*buy_token(listing, ben, at))


def put_large_export(bought: Bought) -> Export:
    """Have the Parquet file of what was bought be one of a gibibyte."""
    grant = authorise(token=bought.text, at=timezone.now())
    export = prepared_export(grant, Wish(Format.PARQUET), timezone.now())
    path = f"{EXPORTS}/{secrets.token_hex(16)}.parquet"
    target = Path(default_storage.path(path))
    part = polars.LazyFrame({"value": np.random.default_rng(5).random(PART_BYTES // 8)})
    polars.concat([part] * (BYTES // PART_BYTES)).sink_parquet(target, compression="uncompressed")
    with target.open("rb") as opened:
        export.sha256 = hashlib.file_digest(opened, "sha256").digest()
    export.path, export.size = path, target.stat().st_size
    export.save()
    return export


def segment_paths(bought: Bought) -> list[str]:
    found = Segment.objects.filter(table__listing=bought.token.purchase.listing).order_by("day")
    return list(found.values_list("path", flat=True))


def check_whole(address: str, bought: Bought, large: Export) -> None:
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers(bought)), timeout=120) as answer:
        found = hashlib.file_digest(answer, "sha256").digest()
    if found != large.sha256:
        raise AssertionError("Other bytes came than those of the file.")


def fetch(address: str, bought: Bought, target: str = "/dev/null") -> None:
    header = f"Authorization: {headers(bought)['Authorization']}"
    subprocess.run(["curl", "-sSf", "-H", header, "-o", target, address], check=True)


def headers(bought: Bought) -> dict[str, str]:
    return {"Authorization": f"Bearer {bought.text}"}


def page_seconds(page: str) -> float:
    """The median over visits."""
    seconds = []
    for _ in range(VISITS):
        started = time.perf_counter()
        with urllib.request.urlopen(page, timeout=60) as answer:
            answer.read()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


@contextmanager
def slow_readers(address: str, bought: Bought) -> Iterator[None]:
    header = f"Authorization: {headers(bought)['Authorization']}"
    command = ["curl", "-sSf", "--limit-rate", BYTES_A_SECOND, "-H", header, "-o", "/dev/null", address]
    readers = [subprocess.Popen(command) for _ in range(READERS)]
    try:
        time.sleep(3)
        if any(reader.poll() is not None for reader in readers):
            raise AssertionError("A slow reader has ended.")
        yield
        if any(reader.poll() is not None for reader in readers):
            raise AssertionError("A slow reader has ended.")
    finally:
        for reader in readers:
            reader.terminate()
        for reader in readers:
            reader.wait()


def peak_memory(*servers: LiveServer) -> int:
    """The most that any of its processes held until now, in bytes."""
    groups = {server.child.pid for server in servers}
    members = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and is_of(entry.name, groups)]
    return max(high_water(Path("/proc") / name / "status") for name in members)


def is_of(process: str, groups: set[int]) -> bool:
    try:
        return os.getpgid(int(process)) in groups
    except ProcessLookupError:
        return False


def high_water(status: Path) -> int:
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def watching(web: WebServer) -> Iterator[None]:
    command = [sys.executable, "manage.py", "cut_downloads"]
    child = start_child(command, environment=web.environment, output=subprocess.DEVNULL, folder=Path(settings.BASE_DIR))
    try:
        wait_for(lambda: cache.get("downloads-watched"), "cut_downloads does not watch")
        yield
    finally:
        stop_child(child)


def folder_in(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir()
    return made
