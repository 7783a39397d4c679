import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.delivery.doors import downloads
from marketplace.delivery.doors.downloads import asked_range, sharing_file
from marketplace.delivery.doors.links import LINK_SECONDS, SIGNATURE_PARAMETER, LinkSigner
from marketplace.delivery.doors.unsent import UNSENT_BYTES, limit_unsent_bytes
from marketplace.delivery.models import Segment
from marketplace.delivery.tables.files import read_chunks
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db


@pytest.fixture
def link(client: Client, bought: Bought) -> str:
    answer = client.post(f"{bought.table}/query", b"{}", content_type="application/json", headers=bought.headers)
    parts = urlsplit(json.loads(answer.content.splitlines()[2])["file"]["url"])
    return f"{parts.path}?{parts.query}"


@pytest.fixture
def content(bought: Bought) -> bytes:
    with default_storage.open(Segment.objects.get().path) as file:
        return file.read()


def body_of(response: Any) -> bytes:
    return b"".join(response)


def test_gives_the_whole_file(client: Client, link: str, content: bytes) -> None:
    answer = client.get(link)
    assert answer.status_code == 200
    assert body_of(answer) == content
    assert answer["Content-Length"] == str(len(content))
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["ETag"] == f'"{bytes(Segment.objects.get().sha256).hex()}"'
    assert answer["Content-Type"] == "application/vnd.apache.parquet"


def test_head_tells_the_length_without_the_bytes(client: Client, link: str, content: bytes) -> None:
    answer = client.head(link)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["Content-Length"] == str(len(content))
    assert answer["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-3", slice(0, 4)),
        ("bytes=4-", slice(4, None)),
        ("bytes=-8", slice(-8, None)),
        ("bytes=10-99999999", slice(10, None)),
        ("bytes=-99999999", slice(0, None)),
    ],
)
def test_gives_the_range_asked_for(client: Client, link: str, content: bytes, asked: str, part: slice) -> None:
    answer = client.get(link, headers={"Range": asked})
    expected = content[part]
    start, end, _ = part.indices(len(content))
    assert body_of(answer) == expected
    assert answer["Content-Length"] == str(len(expected))
    if len(expected) < len(content):
        assert answer.status_code == 206
        assert answer["Content-Range"] == f"bytes {start}-{end - 1}/{len(content)}"


def test_a_range_outside_the_file_is_416(client: Client, link: str, content: bytes) -> None:
    for asked in (f"bytes={len(content)}-", "bytes=-0"):
        answer = client.get(link, headers={"Range": asked})
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(content)}")


@pytest.mark.parametrize("asked", ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=0-3", "bytes=a-b"])
def test_a_range_that_is_none_gives_everything(asked: str) -> None:
    assert asked_range(asked, 100) == (0, 100)


def test_a_range_of_another_state_of_the_file_gives_everything(client: Client, link: str, content: bytes) -> None:
    answer = client.get(link, headers={"Range": "bytes=0-3", "If-Range": '"other"'})
    assert (answer.status_code, len(body_of(answer))) == (200, len(content))


def test_large_files_come_in_pieces(client: Client, link: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marketplace.delivery.tables.files.CHUNK_BYTES", 100)
    answer = client.get(link)
    pieces = list(answer.streaming_content)  # type: ignore[attr-defined]  # The client types no streams.
    assert {len(piece) for piece in pieces[:-1]} == {100}
    assert b"".join(pieces) == content


def test_pieces_grow_while_they_are_taken_quickly_and_shrink_with_a_slow_reader() -> None:
    pieces = read_chunks(default_storage.save("pieces", ContentFile(bytes(4 << 20))), 0, 4 << 20)
    quick = [len(next(pieces)) for _ in range(40)]
    assert quick[0] == 16 * 1024
    assert quick == sorted(quick)
    assert quick[-1] > 8 * quick[0]
    for _ in range(6):
        time.sleep(0.06)
        slow = len(next(pieces))
    assert slow == quick[0]


def test_the_kernel_takes_little_ahead_and_connections_inherit_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        limit_unsent_bytes.__wrapped__()
        with socket.create_connection(server.getsockname()) as reader, server.accept()[0] as writer:
            assert writer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
            assert reader.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 0


@pytest.mark.parametrize(
    "change", [lambda link: link[:-1] + ("A" if link[-1] != "A" else "B"), lambda link: link.split("?")[0]]
)
def test_a_changed_link_is_refused(client: Client, link: str, change: Callable[[str], str]) -> None:
    answer = client.get(change(link))
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "link_invalid")


def test_a_link_opens_no_other_file(client: Client, link: str, bought: Bought, sara: User, mallory: User) -> None:
    _, other = make_stocked_listing(sara, bought.at)
    buy_token(other, mallory, bought.at)
    foreign = Segment.objects.get(table__listing=other).public_id
    answer = client.get(f"/delta-sharing/files/{foreign}.parquet?{link.split('?')[1]}")
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "link_invalid")
    signed = LinkSigner(token_id=bought.token.public_id, at=timezone.now()).sign(foreign)
    answer = client.get(f"/delta-sharing/files/{foreign}.parquet", {SIGNATURE_PARAMETER: signed})
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_link_of_an_unknown_token_or_file_is_refused(client: Client, bought: Bought) -> None:
    file_id = Segment.objects.get().public_id
    for token_id, wanted, status in ((uuid4(), file_id, 401), (bought.token.public_id, uuid4(), 404)):
        signed = LinkSigner(token_id=token_id, at=timezone.now()).sign(wanted)
        answer = client.get(f"/delta-sharing/files/{wanted}.parquet", {SIGNATURE_PARAMETER: signed})
        assert answer.status_code == status


def test_a_link_lives_five_minutes(client: Client, link: str) -> None:
    now = timezone.now().timestamp()
    with time_machine.travel(now + LINK_SECONDS - 5, tick=False):
        assert client.get(link).status_code == 200
    with time_machine.travel(now + LINK_SECONDS + 5, tick=False):
        answer = client.get(link)
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "link_expired")


@pytest.mark.django_db(transaction=True)
def test_a_slow_reader_holds_no_database_connection(
    client: Client, link: str, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def chunks(*_: object) -> Iterator[bytes]:
        held.append(connection.connection is not None)
        yield b"bytes"

    monkeypatch.setattr(downloads, "read_chunks", chunks)
    response = sharing_file(rf.get(link), Segment.objects.get().public_id)
    assert body_of(response) == b"bytes"
    assert held == [False]
