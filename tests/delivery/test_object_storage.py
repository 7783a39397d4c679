"""Files in an object store: moto's server speaks S3 as a process of its own."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import polars
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from django.core.exceptions import ImproperlyConfigured
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from marketplace.access.services import authorise
from marketplace.delivery.models import Segment
from marketplace.delivery.services import files_for, refresh_table, sweep_files
from marketplace.delivery.tables.files import read_chunks, read_rows
from marketplace.erasure.files import remove_left_files
from marketplace.erasure.services import erase_account
from marketplace.file_storage import default_storage_settings
from marketplace.object_storage import RANGE_BYTES
from tests.builders_delivery import buy_token, day_start, make_stocked_listing, minutes
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
BUCKET, KEYS = "ownstream-files", {"S3_ACCESS_KEY": "of-the-tests", "S3_SECRET_KEY": "of-the-tests"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            address = f"http://127.0.0.1:{port}"
            make_bucket(address)
            yield address
        finally:
            server.kill()


def client_of(address: str) -> Any:
    keys = {"aws_access_key_id": "of-the-tests", "aws_secret_access_key": "of-the-tests"}
    config = Config(retries={"max_attempts": 0}, connect_timeout=1)
    return boto3.client("s3", endpoint_url=address, region_name="us-east-1", config=config, **keys)


def make_bucket(address: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client_of(address).create_bucket(Bucket=BUCKET)
        except BotoCoreError:
            assert time.monotonic() < deadline, "moto's server does not start"
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def store(endpoint: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """As an operator sets it."""
    given = {"S3_BUCKET": BUCKET, "S3_ENDPOINT": endpoint, "S3_REGION": "us-east-1", "S3_PREFIX": "/market/", **KEYS}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = settings.STORAGES | {"default": default_storage_settings(is_production=False)}
    yield client_of(endpoint)
    for name in names_in(client_of(endpoint)):
        client_of(endpoint).delete_object(Bucket=BUCKET, Key=name)


def names_in(store: Any) -> set[str]:
    return {found["Key"] for found in store.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


@pytest.fixture
def bought(store: Any, sara: Any, ben: Any) -> Bought:
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at)
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


def test_a_refresh_writes_there_and_every_version_is_read_from_there(bought: Bought, store: Any) -> None:
    bought.sender.send(minutes(day_start(bought.at, 1), 5), bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    named = {f"market/{path}" for path in Segment.objects.values_list("path", flat=True)}
    assert named == {name for name in names_in(store) if name.startswith("market/tables/")}
    grant = authorise(token=bought.text, at=timezone.now())
    counts = [sum(read_rows(file.path).height for file in files_for(grant, version=version)) for version in (1, 2)]
    assert counts == [60, 65]


def test_links_and_ranges_give_the_stored_bytes(bought: Bought, client: Client) -> None:
    segment = Segment.objects.get()
    content = b"".join(read_chunks(segment.path, 0, segment.size))
    answer = client.post(f"{bought.table}/query", "{}", content_type="application/json", headers=bought.headers)
    line = answer.content.splitlines()[2].decode()
    link = line[line.index("http://testserver") :].split('"')[0].removeprefix("http://testserver")
    whole = client.get(link)
    assert (whole.status_code, b"".join(whole)) == (200, content)
    part = client.get(link, headers={"Range": "bytes=10-19"})
    assert (part.status_code, b"".join(part)) == (206, content[10:20])
    assert client.get(link, headers={"Range": f"bytes={segment.size}-"}).status_code == 416


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_download_is_made_there_and_resumed_from_there(bought: Bought, client: Client, store: Any, form: str) -> None:
    # Two parts that overlap, and another day.
    readings = [(day_start(bought.at, 1) + timedelta(hours=10, seconds=30), "air_temperature", 7.0)]
    bought.sender.send([*readings, *minutes(day_start(bought.at, 2), 3)], bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    address = f"/data/{bought.token.purchase.public_id}/readings?format={form}"
    first = client.get(address, headers=bought.headers)
    content = b"".join(first)
    rows = (polars.read_csv if form == "csv" else polars.read_parquet)(io.BytesIO(content))
    assert (first.status_code, rows.height, rows["air_temperature"][4]) == (200, 64, 7.0)
    rest = client.get(address, headers={**bought.headers, "Range": "bytes=100-", "If-Range": first["ETag"]})
    assert (rest.status_code, b"".join(rest)) == (206, content[100:])
    assert any(name.startswith("market/exports/") for name in names_in(store))


def test_what_nobody_names_is_swept(bought: Bought, store: Any) -> None:
    orphan = default_storage.save("tables/aa/orphan.parquet", ContentFile(b"left by a crash"))
    assert sweep_files(at=timezone.now() + timedelta(hours=5)) == 0
    assert default_storage.exists(orphan)
    assert sweep_files(at=timezone.now() + timedelta(hours=7)) == 1
    tables = {name for name in names_in(store) if "/tables/" in name}
    assert tables == {f"market/{Segment.objects.get().path}"}


def test_an_erased_persons_files_go(bought: Bought, store: Any, sara: Any) -> None:
    assert {name.split("/")[1] for name in names_in(store)} == {"readings", "tables"}
    erase_account(user=sara, at=timezone.now())
    assert remove_left_files() > 0
    assert names_in(store) == set()


def test_it_fails_as_a_folder_does(store: Any, endpoint: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError), default_storage.open("tables/nothing.parquet") as file:
        file.read()
    assert default_storage.listdir("nowhere") == ([], [])
    default_storage.delete("tables/nothing.parquet")
    monkeypatch.setenv("S3_BUCKET", "no-such-bucket")
    settings.STORAGES = settings.STORAGES | {"default": default_storage_settings(is_production=False)}
    with pytest.raises(OSError):
        default_storage.save("tables/some.parquet", ContentFile(b"some"))


def test_a_part_of_a_large_file_is_not_fetched_whole(store: Any) -> None:
    content = bytes(number % 251 for number in range(3 * RANGE_BYTES + 10))
    path = default_storage.save("tables/large.parquet", ContentFile(content))
    with default_storage.open(path) as file:
        file.seek(RANGE_BYTES)
        assert file.read(10) == content[RANGE_BYTES : RANGE_BYTES + 10]
        assert file.file.raw.place == 2 * RANGE_BYTES
    assert b"".join(read_chunks(path, 5, 3 * RANGE_BYTES)) == content[5 : 3 * RANGE_BYTES + 5]
    assert b"".join(read_chunks(path, 0, 4 * RANGE_BYTES)) == content


@pytest.mark.parametrize(
    ("given", "is_production", "named"),
    [
        ({"S3_ENDPOINT": "https://s3.example"}, False, "S3_BUCKET"),
        ({"S3_BUCKET": "files", "S3_ACCESS_KEY": "key"}, False, "S3_SECRET_KEY"),
        ({"S3_BUCKET": "files", "S3_ENDPOINT": "http://s3.example"}, True, "https"),
    ],
)
def test_half_of_the_settings_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], is_production: bool, named: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=named):
        default_storage_settings(is_production=is_production)
