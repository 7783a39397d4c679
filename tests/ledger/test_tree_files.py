"""The log below its address, as C2SP tlog-tiles names and fills the files."""

import gzip
from hashlib import sha256

import pytest

from ledger.errors import TileMissing
from ledger.models import Entry, Tile
from ledger.services import sequence_batch
from ledger.tiles import TileId
from ledger.tree_files import BundleId, bundle_path, parse_path
from tests.builders_ledger import leaves, submit_in_bulk

pytestmark = pytest.mark.django_db
SIZE = 600


@pytest.fixture
def log(now):
    submit_in_bulk(SIZE, now)
    for limit in (1, 255, 100, 300):
        sequence_batch(at=now, limit=limit)
    assert Entry.objects.count() == SIZE


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("tile/0/000", TileId(0, 0, 256)),
        ("tile/1/x001/x234/067", TileId(1, 1234067, 256)),
        ("tile/0/273.p/112", TileId(0, 273, 112)),
        ("tile/2/000.p/1", TileId(2, 0, 1)),
        ("tile/entries/x001/000", BundleId(1000, 256)),
        ("tile/entries/000.p/7", BundleId(0, 7)),
    ],
)
def test_a_name_says_which_file(path, found):
    assert parse_path(path) == found


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x1/001",
        "tile/00/001",
        "tile/-1/001",
        "tile/100/001",
        "tile/0/001.p/0",
        "tile/0/001.p/01",
        "tile/0/001.p/256",
        "tile/0/001.p/999",
        "tile/0/001.p",
        "tile/0/001.p/",
        "tile/0/٠٠١",
        "tile/0/001\n",
        "tile/entries/",
        "tile/0/../0/000",
        "tile/0/" + "x999/" * 9 + "999",
    ],
)
def test_each_file_has_one_name_only(client, path):
    with pytest.raises(TileMissing):
        parse_path(path)
    assert client.get(f"/log/{path}").status_code == 404


def test_a_full_tile_holds_the_hashes_of_its_entries(client, log):
    response = client.get("/log/tile/0/001")
    assert response.status_code == 200
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.content == b"".join(leaves()[256:512])
    assert not response.cookies


@pytest.mark.parametrize("width", [1, 100, 144])
def test_partial_tiles_exist_for_every_size_that_was_signed(client, log, width):
    number = {1: 0, 100: 1, 144: 1}[width]
    expected = leaves()[number * 256 : number * 256 + width]
    assert client.get(f"/log/tile/0/00{number}.p/{width}").content == b"".join(expected)


def test_the_level_above_holds_the_hashes_of_full_tiles_only(client, log):
    assert client.get("/log/tile/1/000.p/2").content == b"".join(
        bytes(Tile.objects.get(level=1, number=0, width=2).hashes)[start : start + 32] for start in (0, 32)
    )
    for beyond in ("tile/1/000.p/3", "tile/1/000", "tile/2/000.p/1", "tile/0/002.p/89", "tile/0/003.p/1", "tile/0/002"):
        response = client.get(f"/log/{beyond}")
        assert (response.status_code, response["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize(("place", "first", "count"), [("000", 0, 256), ("001", 256, 256), ("002.p/88", 512, 88)])
def test_a_bundle_holds_the_exact_bytes_that_were_hashed(client, log, place, first, count):
    content = client.get(f"/log/tile/entries/{place}").content
    found = []
    while content:
        length = int.from_bytes(content[:2], "big")
        found.append(sha256(b"\x00" + content[2 : 2 + length]).digest())
        content = content[2 + length :]
    assert found == leaves()[first : first + count]


def test_a_bundle_comes_compressed_to_who_takes_that(client, log):
    plain = client.get("/log/tile/entries/000").content
    packed = client.get("/log/tile/entries/000", headers={"Accept-Encoding": "gzip"})
    assert packed["Content-Encoding"] == "gzip"
    assert packed["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.content) == plain
    assert len(packed.content) < len(plain)
    assert "Content-Encoding" not in client.get("/log/tile/0/000", headers={"Accept-Encoding": "gzip"})


def test_nothing_beyond_the_signed_size_is_shown(client, log):
    for beyond in ("002.p/89", "002", "003.p/1", "x001/000"):
        assert client.get(f"/log/tile/entries/{beyond}").status_code == 404


def test_names_of_bundles_are_those_of_the_tiles_below():
    assert bundle_path(BundleId(1234067, 256)) == "tile/entries/x001/x234/067"
    assert bundle_path(BundleId(273, 112)) == "tile/entries/273.p/112"


def test_nothing_can_be_sent_to_it(client, log):
    for place in ("0/000", "entries/000"):
        assert client.post(f"/log/tile/{place}").status_code == 405
        assert client.head(f"/log/tile/{place}").status_code == 200
