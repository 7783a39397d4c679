"""The owner withdraws while a download, a query's files and a live stream run: all end, and the meter is exact.

`-s` shows how long each took, and how much a slow reader had of his file.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from marketplace.delivery.models import Export, Read
from marketplace.purchases.services import withdraw_consent_with_refunds, withdraw_listing_with_refunds
from tests.builders_delivery import bearer
from tests.delivery.live.conftest import ROWS, Subscription
from tests.delivery.live.process import LiveServer, WebServer, wait_for

END_WITHIN_SECONDS = 2.0
# 256 kB a second: the file would take a minute.
PIECE_BYTES, PIECE_SECONDS = 16 * 1024, 1 / 16


@pytest.fixture
def web(server: LiveServer, tmp_path: Path) -> Iterator[WebServer]:
    process = WebServer(tmp_path, MEDIA_ROOT=str(settings.MEDIA_ROOT))
    process.start()
    yield process
    process.kill()


class SlowReader:
    """Takes a file as a slow line does, in a thread of its own."""

    def __init__(self, web: LiveServer, path: str, headers: Mapping[str, str]) -> None:
        self.caller = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        self.caller.request("GET", path, headers=dict(headers))
        self.answer = self.caller.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.size = int(self.answer.headers["Content-Length"])
        self.taken = 0
        self.ended_at = 0.0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while piece := self.answer.read(PIECE_BYTES):
                self.taken += len(piece)
                time.sleep(PIECE_SECONDS)
        except (http.client.HTTPException, OSError):
            pass
        self.ended_at = time.monotonic()


class Loader:
    """Queries the table and loads its links, over and over, until it is refused. queried: whose answer came whole."""

    def __init__(self, web: WebServer, large: Subscription) -> None:
        self.web, self.headers = web, bearer(large.text)
        self.path = f"/delta-sharing/shares/{large.listing.share_name}/schemas/data/tables/readings/query"
        self.links: list[str] = []
        self.queried_rows: list[int] = []
        self.loaded = 0
        self.refusal: dict[str, Any] = {}
        self.ended_at = 0.0
        threading.Thread(target=self._load, daemon=True).start()

    def _load(self) -> None:
        while self.query():
            for link in self.links:
                answer = self.web.get(link)
                if answer.status != 200:
                    self.refusal = json.loads(answer.body) | {"status": answer.status}
                    break
                self.loaded += 1
        self.ended_at = time.monotonic()

    def query(self) -> bool:
        answer = self.web.get(self.path, self.headers, method="POST")
        if answer.status == 200:
            files = [json.loads(line)["file"] for line in answer.body.splitlines()[2:]]
            self.queried_rows.append(sum(json.loads(file["stats"])["numRecords"] for file in files))
            self.links = ["{0.path}?{0.query}".format(urlsplit(file["url"])) for file in files]
        elif not self.refusal:
            self.refusal = json.loads(answer.body) | {"status": answer.status}
        return answer.status == 200


def withdraw_consent(large: Subscription, at: datetime) -> None:
    withdraw_consent_with_refunds(consent=large.listing.consent, at=at)


def withdraw_listing(large: Subscription, at: datetime) -> None:
    withdraw_listing_with_refunds(listing=large.listing, at=at)


WAYS = [(withdraw_consent, "consent_withdrawn"), (withdraw_listing, "listing_withdrawn")]


@pytest.mark.parametrize(("withdraw", "code"), WAYS, ids=[code for _, code in WAYS])
def test_ends_all_at_once_with_a_reason_and_an_exact_meter(
    server: LiveServer,
    web: WebServer,
    large: Subscription,
    withdraw: Callable[[Subscription, datetime], None],
    code: str,
) -> None:
    data = f"/data/{large.purchase.public_id}/readings?format=senml"
    download = SlowReader(web, data, bearer(large.text))
    loader = Loader(web, large)
    wait_for(lambda: loader.loaded, "a file")
    file = SlowReader(web, loader.links[0], {})
    stream = large.open(server)
    large.send(1.0, 2.0)
    wait_for(lambda: stream.rows, "live rows")
    time.sleep(2)
    assert (download.ended_at, file.ended_at, loader.ended_at) == (0, 0, 0)

    began = time.monotonic()
    withdraw(large, timezone.now())
    readers: list[SlowReader | Loader] = [download, file, loader]
    wait_for(lambda: stream.has_ended.is_set() and all(reader.ended_at for reader in readers), "the ends")

    took = [reader.ended_at - began for reader in readers] + [stream.events[-1].at - began]
    parts = [reader.taken / reader.size for reader in (download, file)]
    print(f"{code}: download {took[0]:.2f} s at {parts[0]:.0%}, file {took[1]:.2f} s at {parts[1]:.0%}", end="")
    print(f", query {took[2]:.2f} s after {len(loader.queried_rows)}, stream {took[3]:.2f} s")
    assert max(took) < END_WITHIN_SECONDS
    assert max(parts) < 1
    assert (loader.refusal["status"], loader.refusal["errorCode"], stream.end_code) == (403, code, code)
    _says_why(web, large, [data, loader.links[0], f"/data/{large.purchase.public_id}/evidence"], code)
    assert server.get(large.path, bearer(large.text)).code == code
    _counts_exactly(large, loader.queried_rows, len(stream.rows))


def _says_why(web: WebServer, large: Subscription, paths: list[str], code: str) -> None:
    for path in paths:
        answer = web.get(path, bearer(large.text))
        assert (answer.status, answer.code) == (403, code), path


def _counts_exactly(large: Subscription, queried_rows: list[int], live_rows: int) -> None:
    """One read for the download, one for each query that was answered, and the rows that the stream sent."""
    reads = {
        door: sorted(Read.objects.filter(door=door, token=large.token).values_list("row_count", flat=True))
        for door in Read.Door
    }
    assert reads[Read.Door.DOWNLOAD] == [Export.objects.get().row_count] == [ROWS]
    assert reads[Read.Door.DELTA_SHARING] == sorted(queried_rows)
    assert sum(reads[Read.Door.LIVE]) == live_rows == 2
    total = sum(map(sum, reads.values()))
    large.token.refresh_from_db()
    assert large.token.row_count == total
    client = Client()
    client.force_login(large.purchase.buyer)
    usage = client.get(f"/purchases/{large.purchase.public_id}/usage/")
    assert usage.context["totals"]["rows"] == total
    assert [token["rows"] for token in usage.context["tokens"]] == [total]
