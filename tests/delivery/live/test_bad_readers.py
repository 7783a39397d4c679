"""Readers as they should not be, at the real web server: they break off, read slowly, ask for what is not there."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from marketplace.delivery.models import Export, Read
from tests.builders_delivery import bearer
from tests.delivery.live.conftest import ROWS, Subscription
from tests.delivery.live.process import LiveServer, WebServer
from tests.delivery.live.test_withdrawal import SlowReader

SLOW_READERS = 10


@pytest.fixture
def web(server: LiveServer, tmp_path: Path) -> Iterator[WebServer]:
    process = WebServer(tmp_path, MEDIA_ROOT=str(settings.MEDIA_ROOT))
    process.start()
    yield process
    process.kill()


def address(large: Subscription, form: str = "csv") -> str:
    return f"/data/{large.purchase.public_id}/readings?format={form}"


def break_off(web: WebServer, path: str, text: str) -> None:
    """Take the first bytes and reset the connection, as a broken network does."""
    caller = http.client.HTTPConnection("127.0.0.1", web.port, timeout=30)
    caller.request("GET", path, headers=bearer(text))
    answer = caller.getresponse()
    assert caller.sock is not None
    # A reset, not a farewell.
    caller.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    answer.close()
    caller.close()


def test_broken_pipes_count_once_and_leave_no_traceback(web: WebServer, large: Subscription) -> None:
    for _ in range(5):
        break_off(web, address(large), large.text)
    time.sleep(1)
    assert "Traceback" not in web.log.read_text()
    whole = web.get(address(large), bearer(large.text))
    assert (whole.status, len(whole.body)) == (200, Export.objects.get().size)
    assert [read.row_count for read in Read.objects.all()] == [ROWS]
    large.token.refresh_from_db()
    assert large.token.row_count == ROWS


def test_slow_readers_leave_the_doors_open_to_others(web: WebServer, large: Subscription) -> None:
    slow = [SlowReader(web, address(large), bearer(large.text)) for _ in range(SLOW_READERS)]
    for path, status in (("/health/live", 200), ("/catalogue/", 200), (address(large), 200)):
        began = time.monotonic()
        assert web.get(path, bearer(large.text)).status == status
        assert time.monotonic() - began < 5
    assert all(reader.ended_at == 0 and 0 < reader.taken < reader.size for reader in slow)
    assert Read.objects.count() == 1


REFUSALS: list[tuple[str, dict[str, str], int, str]] = [
    ("format=xlsx", {}, 406, "parquet"),
    ("format=", {"Accept": "image/png"}, 406, "parquet"),
    ("columns=secret", {}, 400, "no column 'secret'"),
    ("from=2026-02-02&until=2026-01-01", {}, 400, "."),
    ("version=1e3", {}, 400, "whole number"),
    ("columns=" + ",".join(f"c{number}" for number in range(501)), {}, 400, "at most 500"),
]


def test_refuses_in_a_sentence_and_counts_nothing(web: WebServer, large: Subscription) -> None:
    for query, more, status, words in REFUSALS:
        answer = web.get(f"/data/{large.purchase.public_id}/readings?{query}", bearer(large.text) | more)
        assert (answer.status, words in answer.body.decode()) == (status, True), query
    assert "Traceback" not in web.log.read_text()
    assert not Read.objects.exists()


def test_ranges_of_all_kinds_over_a_real_connection(web: WebServer, large: Subscription) -> None:
    token = bearer(large.text)
    head = web.get(address(large), token, method="HEAD")
    size, etag = int(head.headers["content-length"]), head.headers["etag"]
    assert (head.status, head.body) == (200, b"")
    assert not Read.objects.exists()
    for asked, more, status, length in (
        (f"bytes={size}-", {}, 416, 0),
        ("bytes=-0", {}, 416, 0),
        ("bytes=0-1,4-5", {}, 200, size),
        ("bytes=9-3", {}, 200, size),
        ("bytes=5-", {"If-Range": '"other"'}, 200, size),
        ("bytes=5-", {"If-Range": etag}, 206, size - 5),
        (f"bytes={size - 1}-{size + 9}", {}, 206, 1),
    ):
        answer = web.get(address(large), token | {"Range": asked} | more)
        assert (answer.status, len(answer.body)) == (status, length), asked
    assert Read.objects.count() == 1
