"""nginx sends the bytes of files, after the web's checks and counting, and stops with a withdrawal.

`-s` shows how long a slow reader went on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.utils import timezone

from marketplace.delivery.doors.handing_over import cut_ended_downloads
from marketplace.delivery.models import Export, Read
from marketplace.embedded.processes import start_child, stop_child
from marketplace.purchases.services import withdraw_consent_with_refunds
from tests.builders_delivery import bearer
from tests.delivery.live.conftest import ROWS, Subscription
from tests.delivery.live.nginx import Nginx, find_nginx
from tests.delivery.live.process import LiveServer, WebServer, wait_for
from tests.delivery.live.test_withdrawal import END_WITHIN_SECONDS, SlowReader

pytestmark = pytest.mark.skipif(not find_nginx(), reason="There is no nginx: install it, or name it in NGINX.")


@pytest.fixture
def web(server: LiveServer, tmp_path: Path) -> Iterator[WebServer]:
    process = WebServer(tmp_path, MEDIA_ROOT=str(settings.MEDIA_ROOT), NGINX_SENDS_FILES="1", TRUSTED_PROXIES="1")
    process.start()
    yield process
    process.kill()


@pytest.fixture
def nginx(web: WebServer, tmp_path: Path) -> Iterator[Nginx]:
    process = Nginx(tmp_path, web)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def watch(web: WebServer, tmp_path: Path) -> Iterator[None]:
    """Runs cut_downloads, from when it has told that it watches."""
    command = [sys.executable, "manage.py", "cut_downloads"]
    with (tmp_path / "cut_downloads.log").open("wb") as output:
        child = start_child(command, environment=web.environment, output=output, folder=Path(settings.BASE_DIR))
    wait_for(lambda: cache.get("downloads-watched"), "cut_downloads does not watch")
    yield
    stop_child(child)


def get(nginx: LiveServer, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    answer = nginx.get(path, headers)
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.body


def test_sends_whole_files_ranges_and_refusals_as_the_web_does(
    web: WebServer, nginx: Nginx, large: Subscription, watch: None
) -> None:
    path, token = f"/data/{large.purchase.public_id}/readings?format=csv", bearer(large.text)
    status, headers, content = get(nginx, path, token)
    export = Export.objects.get()
    assert "x-accel-redirect" in get(web, path, token)[1]
    assert (status, hashlib.sha256(content).digest()) == (200, bytes(export.sha256 or b""))
    digest = base64.b64encode(bytes(export.sha256 or b"")).decode()
    assert headers["content-digest"] == headers["repr-digest"] == f"sha-256=:{digest}:"
    assert headers["etag"] == f'"{bytes(export.sha256 or b"").hex()}"'
    assert 'rel="proof"' in headers["link"]
    assert headers["content-disposition"].endswith('.csv"')
    assert (headers["content-type"][:8], headers["cache-control"]) == ("text/csv", "private, no-store")
    assert headers["delta-table-version"] == str(export.version)
    assert "x-accel-redirect" not in headers
    assert "last-modified" not in headers

    middle = len(content) // 2
    for asked, expected in ((f"bytes={middle}-", 206), ("bytes=0-1,4-5", 200), (f"bytes={len(content)}-", 416)):
        status, headers, part = get(nginx, path, token | {"Range": asked, "If-Range": headers["etag"]})
        assert status == expected
        assert part == {206: content[middle:], 200: content, 416: b""}[status]
        assert ("content-digest" in headers) == (status == 200)
    status, _, part = get(nginx, path, token | {"Range": "bytes=5-", "If-Range": '"other"'})
    assert (status, part == content) == (200, True)
    assert get(nginx, path, token | {"If-None-Match": headers["etag"]})[0] == 304
    assert [read.row_count for read in Read.objects.all()] == [ROWS]
    assert get(nginx, path, bearer("osm_none"))[0] == 401
    assert Read.objects.count() == 1


def test_small_parts_of_shared_files_are_handed_over_and_large_ones_are_not(
    web: WebServer, nginx: Nginx, large: Subscription, watch: None
) -> None:
    query = f"/delta-sharing/shares/{large.listing.share_name}/schemas/data/tables/readings/query"
    answer = nginx.get(query, bearer(large.text), method="POST")
    file = json.loads(answer.body.splitlines()[2])["file"]
    link = "{0.path}?{0.query}".format(urlsplit(file["url"]))
    _, whole, content = get(nginx, link, {})
    assert len(content) == file["size"] == int(whole["content-length"])
    status, part, last = get(nginx, link, {"Range": "bytes=-1000"})
    assert (status, last, part["etag"]) == (206, content[-1000:], whole["etag"])
    assert part["content-range"] == f"bytes {len(content) - 1000}-{len(content) - 1}/{len(content)}"
    assert "x-accel-redirect" not in get(web, link, {})[1]
    assert "x-accel-redirect" in get(web, link, {"Range": "bytes=-1000"})[1]


def test_nobody_reaches_the_files_from_outside(web: WebServer, nginx: Nginx, large: Subscription, watch: None) -> None:
    get(nginx, f"/data/{large.purchase.public_id}/readings?format=csv", bearer(large.text))
    path = Export.objects.get().path
    for place in (
        f"/handed-over/{path}",
        f"//handed-over/{path}",
        f"/x/../handed-over/{path}",
        f"/handed-over/{path}?",
    ):
        assert get(nginx, place, bearer(large.text))[0] == 404
    assert get(nginx, "/static/../handed-over/../settings.py", {})[0] in {400, 404}


def test_what_is_being_sent_ends_with_the_withdrawal(nginx: Nginx, large: Subscription, watch: None) -> None:
    path = f"/data/{large.purchase.public_id}/readings?format=senml"
    reader = SlowReader(nginx, path, bearer(large.text))
    time.sleep(2)
    assert reader.ended_at == 0
    file = Export.objects.get().path
    began = time.monotonic()
    withdraw_consent_with_refunds(consent=large.listing.consent, at=timezone.now())
    wait_for(lambda: reader.ended_at, "the end")
    print(f"nginx: ended after {reader.ended_at - began:.2f} s at {reader.taken / reader.size:.0%}")
    assert reader.ended_at - began < END_WITHIN_SECONDS
    assert reader.taken < reader.size
    assert not default_storage.exists(file)
    refused = nginx.get(path, bearer(large.text))
    assert (refused.status, refused.code) == (403, "consent_withdrawn")
    assert [read.row_count for read in Read.objects.all()] == [ROWS]


def test_nothing_is_handed_over_while_nobody_watches(web: WebServer, nginx: Nginx, large: Subscription) -> None:
    path = f"/data/{large.purchase.public_id}/readings?format=csv"
    status, _, content = get(nginx, path, bearer(large.text))
    assert (status, len(content)) == (200, Export.objects.get().size)
    assert "x-accel-redirect" not in get(web, path, bearer(large.text))[1]


def test_readers_that_still_may_keep_their_file(large: Subscription, web: WebServer) -> None:
    web.get(f"/data/{large.purchase.public_id}/readings?format=csv", bearer(large.text))
    assert cut_ended_downloads(timezone.now()) == 0
    export = Export.objects.get()
    assert default_storage.size(export.path) == export.size
    assert cut_ended_downloads(large.listing.consent.valid_until) == 1
    assert not default_storage.exists(export.path)
