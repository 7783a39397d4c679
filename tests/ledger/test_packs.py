import io
import json
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import pack_reading
from ledger.errors import PackInvalid
from ledger.pack_reading import is_pack_name, verify_pack
from ledger.policy import LogPolicy
from tests.builders_receipts import LOG_ONLY, POLICY, WITNESSES, SmallLog, entry

# 600 entries have two full tiles and a partial one, and a level above.
LARGE = SmallLog.of_size(600)
SMALL = SmallLog.of_size(5)


def verify(pack, policy=POLICY):
    return verify_pack(io.BytesIO(pack), policy)


def changed(pack, changes):
    """Return the pack with some files replaced, or left out where the content is None, or added."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(pack)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        contents = {name: old.read(name) for name in old.namelist()} | changes
        for name, content in contents.items():
            if content is not None:
                new.writestr(name, content)
    return target.getvalue()


def file_of(pack, name):
    with zipfile.ZipFile(io.BytesIO(pack)) as opened:
        return opened.read(name)


def refused(pack, name, words="", policy=POLICY):
    with pytest.raises(PackInvalid) as caught:
        verify(pack, policy)
    assert caught.value.details["file"] == name
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


@pytest.fixture(scope="module")
def part():
    return LARGE.pack([3, 255, 256, 599], sizes=[0, 1, 256, 400])


@pytest.fixture(scope="module")
def whole():
    return SMALL.pack(sizes=[2, 3])


@pytest.mark.parametrize(("before", "behind"), [(b"PK another one", b""), (b"", b"behind it")])
def test_nothing_stands_before_or_behind_the_files(whole, before, behind):
    with pytest.raises(PackInvalid):
        verify_pack(io.BytesIO(before + whole + behind))


def test_a_pack_of_the_whole_log_verifies(whole):
    pack = verify(whole)
    assert (pack.is_final, pack.is_whole, pack.indices) == (True, True, (0, 1, 2, 3, 4))
    assert (pack.is_policy_trusted, pack.has_same_policy) == (True, True)
    assert (pack.tile_count, pack.checkpoint_sizes) == (1, (2, 3))
    assert pack.audit["is_good"] is True


def test_a_pack_of_a_part_verifies(part):
    pack = verify(part)
    assert (pack.is_final, pack.is_whole, pack.indices) == (True, False, (3, 255, 256, 599))
    assert pack.checkpoint_sizes == (0, 1, 256, 400)
    assert pack.tile_count == 4


def test_a_whole_pack_holds_every_tile():
    pack = verify(LARGE.pack())
    assert pack.is_whole
    assert pack.tile_count == len(LARGE.tiles)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512])
def test_sizes_at_the_edges_of_tiles(size):
    log = SmallLog.of_size(size)
    pack = verify(log.pack(range(0, size, 97), sizes=range(0, size, 101)))
    assert pack.checked.head.size == size
    assert pack.is_final


def test_the_same_content_gives_the_same_file(whole):
    assert SMALL.pack(sizes=[2, 3]) == whole


def test_the_packs_own_policy_is_believed_only_when_no_other_is_given(whole):
    own = verify(whole, None)
    assert (own.is_policy_trusted, own.has_same_policy, own.is_final) == (False, True, True)
    other = verify(whole, LOG_ONLY)
    assert (other.is_policy_trusted, other.has_same_policy, other.is_final) == (True, False, False)
    foreign = LogPolicy.parse(POLICY.text().split("\n", 1)[1])
    refused(whole, "checkpoint", policy=foreign)


def test_without_a_quorum_it_is_not_final():
    assert not verify(SMALL.pack(witnesses=1)).is_final


def test_every_file_that_is_missing_is_named(part):
    with zipfile.ZipFile(io.BytesIO(part)) as opened:
        names = opened.namelist()
    # Earlier checkpoints are optional, each together with its proof.
    named_instead = {
        "checkpoints/1": "consistency/1-256",
        "checkpoints/256": "consistency/1-256",
        "checkpoints/400": "consistency/256-400",
        "consistency/1-256": "checkpoints/1",
        "consistency/256-400": "checkpoints/256",
        "consistency/400-600": "checkpoints/400",
    }
    assert set(named_instead) | {"checkpoints/0"} < set(names)
    for name in names:
        if name != "checkpoints/0":
            refused(changed(part, {name: None}), named_instead.get(name, name))


def test_every_flipped_byte_names_its_file(whole):
    """All but the instructions and the report, which prove nothing, and the policy, when another one is believed."""
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        proven = set(opened.namelist()) - {"README.txt", "audit.json", "policy"}
    # A witness's name in the checkpoint may change; then the proofs, which carry the good one, no longer fit.
    named_instead = {"checkpoint": "proofs/0.tlog-proof"}
    for name in sorted(proven):
        content = file_of(whole, name)
        for place in range(0, len(content), max(1, len(content) // 40)):
            flipped = bytearray(content)
            flipped[place] ^= 1
            with pytest.raises(PackInvalid) as caught:
                verify(changed(whole, {name: bytes(flipped)}))
            assert caught.value.details["file"] in {name, named_instead.get(name)}, place


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("checkpoint", SMALL.checkpoint(size=4), ""),
        ("checkpoint", b"\xff", "UTF-8"),
        ("policy", b"quorum nobody\n", "Line 1"),
        ("entries/3.json", entry(2), "not those that the log committed to"),
        ("entries/3.json", entry(3) + b"\n", "canonical"),
        ("entries/3.json", b'{"a":1,"a":1}', "twice"),
        ("entries/3.json", b"x" * 9000, "larger"),
        ("entries/5.json", entry(5), "5 entries"),
        ("proofs/5.tlog-proof", SMALL.receipt(0).text(), ""),
        ("proofs/3.tlog-proof", SMALL.receipt(2).text(), "another entry"),
        ("proofs/3.tlog-proof", replace(SMALL.receipt(3), extra=entry(2)).text(), "another entry"),
        ("proofs/3.tlog-proof", SMALL.receipt(3, witnesses=1).text(), "another checkpoint"),
        ("proofs/3.tlog-proof", replace(SMALL.receipt(3), proof=()).text(), "0 hashes"),
        ("tile/0/000.p/4", b"\0" * 128, "place and width"),
        ("tile/0/000", b"\0" * 8192, "place and width"),
        ("tile/0/000.p/5", b"\0" * 159, "place and width"),
        ("tile/0/000.p/5", b"\0" * 160, "root"),
        ("tile/1/000.p/1", b"\0" * 32, "no tile"),
        ("checkpoints/2", SMALL.checkpoint(size=3), "earlier checkpoint"),
        ("checkpoints/5", SMALL.checkpoint(), "earlier checkpoint"),
        ("checkpoints/4", SMALL.checkpoint(size=4), "No proof leads"),
        ("checkpoints/3", SmallLog([entry(9)] * 3).checkpoint(), ""),
        ("consistency/2-3", b"", ""),
        ("consistency/2-3", b"A\n", "base64"),
        ("consistency/2-3", b"no end", "LF"),
        ("consistency/2-4", b"", "both"),
        ("consistency/3-2", b"", "both"),
        ("consistency/3-3", b"", "both"),
        ("consistency/0-3", b"", "both"),
        ("audit.json", b"[]", "object"),
        ("audit.json", b"{}", "lacks"),
        ("audit.json", b'{"size":5,"size":5}', "twice"),
        ("audit.json", json.dumps(SMALL.audit() | {"root_hash": "00" * 32}), "another root"),
    ],
)
def test_refuses_what_does_not_belong(whole, name, content, words):
    with pytest.raises(PackInvalid) as caught:
        verify(changed(whole, {name: content}))
    named = caught.value.details["file"]
    assert words in str(caught.value)
    follows = {
        "checkpoint": {"tile/0/000.p/5"},
        "proofs/5.tlog-proof": {"entries/5.json"},
        "checkpoints/3": {"consistency/2-3"},
    }
    assert named in {name} | follows.get(name, set())


def test_an_entry_that_was_proven_elsewhere_is_refused_although_its_file_is_well_formed(part):
    """The market cannot put another entry of the same log in its place."""
    refused(changed(part, {"entries/3.json": entry(255)}), "entries/3.json")


@pytest.mark.parametrize(
    "name",
    [
        "../x", "/etc/passwd", "entries/../policy", "entries\\3.json", "entries/03.json", "entries/3.JSON", "entries/",
        "./policy", "policy ", "Policy", "tile/0/0", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/x000/001",
        "tile/8/000", "tile/0/000.p/05", "proofs/1.tlog-proof.exe", "proofs/\u0661.tlog-proof", "consistency/1",
        "entries/3.json\n", "C:policy", "x" * 60_000,
    ],
)  # fmt: skip
def test_refuses_names_that_packs_do_not_have(whole, name):
    assert not is_pack_name(name)
    with pytest.raises(PackInvalid, match="No file of a pack has such a name"):
        verify(changed(whole, {name: b"x"}))


def test_refuses_a_name_that_ends_early(whole):
    """The zip format lets a zero byte into a name; programs then see different names."""
    raw = changed(whole, {"entries/3.json": None, "entries/3.json_x": entry(3)})
    refused(raw.replace(b"entries/3.json_x", b"entries/3.json\0x"), "entries/3.json\0x", "such a name")


def test_refuses_a_file_that_is_there_twice(whole):
    target = io.BytesIO(whole)
    with zipfile.ZipFile(target, "a") as pack, pytest.warns(UserWarning, match="Duplicate"):
        pack.writestr("entries/3.json", entry(3))
    refused(target.getvalue(), "entries/3.json", "twice")


def test_refuses_links(whole):
    target = io.BytesIO(whole)
    info = zipfile.ZipInfo("entries/9.json")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(target, "a") as pack:
        pack.writestr(info, "/etc/passwd")
    refused(target.getvalue(), "entries/9.json", "links")


def test_refuses_other_ways_of_packing(whole):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_BZIP2) as pack:
        pack.writestr("README.txt", "x")
    refused(target.getvalue(), "README.txt", "deflated")


def test_refuses_a_bomb(whole, monkeypatch):
    bomb = changed(whole, {f"checkpoints/{size}": b"\n" * 999_999 for size in range(6, 60)})
    assert len(bomb) < 100_000
    refused(bomb, "the zip file", "bomb")
    monkeypatch.setattr(pack_reading, "LARGEST_TOTAL", 2000)
    refused(whole, "the zip file", "bomb")
    monkeypatch.setattr(pack_reading, "LARGEST_ZIP", 2000)
    refused(whole, "the zip file", "larger")


def test_refuses_too_many_files_and_tiles(whole, monkeypatch):
    monkeypatch.setattr(pack_reading, "MOST_TILES", 0)
    refused(whole, "the zip file", "tiles")
    monkeypatch.setattr(pack_reading, "MOST_FILES", 3)
    refused(whole, "the zip file", "3 files")


@pytest.mark.parametrize("most", [18, 19])
@pytest.mark.parametrize("step", [1, 3, 7, 1 << 20])
def test_counts_files_before_it_lists_them(whole, monkeypatch, most, step):
    """In whatever pieces the file is read."""
    assert len(zipfile.ZipFile(io.BytesIO(whole)).namelist()) == 19
    monkeypatch.setattr(pack_reading, "MOST_FILES", most)
    counted = pack_reading._count(b"PK\1\2", Slow(whole, step))
    assert counted == 19
    if most < counted:
        refused(whole, "the zip file", "18 files")
    else:
        assert verify(whole).is_final


class Slow(io.BytesIO):
    """Gives a few bytes at a time."""

    def __init__(self, content, step):
        super().__init__(content)
        self.step = step

    def read(self, size=-1):
        return super().read(self.step)


def test_refuses_files_that_lie_on_top_of_each_other():
    """Many names for one piece of the file: each looks small, together they are a bomb."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as pack:
        pack.writestr("README.txt", "x" * 19_000)
        first = pack.infolist()[0]
        for number in range(20):
            twin = zipfile.ZipInfo(f"entries/{number}.json")
            twin.file_size, twin.compress_size, twin.CRC = 8000, first.compress_size, first.CRC
            twin.header_offset = first.header_offset
            pack.filelist.append(twin)
    refused(target.getvalue(), "the zip file", "on top")


def test_refuses_a_size_that_lies(whole):
    """The directory promises fewer bytes than the file has."""
    place = whole.rindex(b"entries/3.json") - 46 + 24
    size = struct.unpack_from("<I", whole, place)[0]
    assert size == len(entry(3))
    lie = bytearray(whole)
    struct.pack_into("<I", lie, place, size - 1)
    refused(bytes(lie), "entries/3.json", "damaged")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + bytes(18), b"no zip at all", bytes(1000)])
def test_refuses_what_is_no_pack(content):
    with pytest.raises(PackInvalid):
        verify(content)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=6))
def test_a_damaged_zip_is_refused_or_proves_the_same(place, content):
    good = SMALL.pack([1, 3])
    place %= len(good)
    broken = good[:place] + content + good[place + len(content) :]
    try:
        pack = verify(broken)
    except PackInvalid:
        return
    assert pack.checked == verify(good).checked
    assert pack.indices == (1, 3)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_pack_or_refused(content):
    for pack in (content, SMALL.pack([1]) + content, content + SMALL.pack([1])):
        with suppress(PackInvalid):
            verify(pack)


def test_witnesses_and_their_times_are_told(whole):
    times = verify(whole).witness_times
    assert [seen.key for seen in times] == [witness.verifier_key for witness in WITNESSES[:2]]
