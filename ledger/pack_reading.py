"""Verifying an evidence pack (ledger.packs) without unpacking it to disk. Pure.

A pack comes from a stranger: how many files it has, how large they are and what they are called is limited before
anything is read, and what does not verify is named by its file.
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from ledger.disclosures import LARGEST_ENTRY, parse_object, read_entry
from ledger.errors import LedgerError, PackInvalid
from ledger.merkle import EMPTY_ROOT, leaf_hash, verify_consistency
from ledger.notes import LARGEST_NOTE, TreeHead, parse_note
from ledger.policy import LARGEST_POLICY, CheckedCheckpoint, LogPolicy
from ledger.receipts import LARGEST_RECEIPT, Receipt, WitnessTime, parse_hashes, prove_leaf, witness_times
from ledger.tiles import FULL_WIDTH, HASH_SIZE, TileId, edge_tiles, root_from_tiles, tile_at, tile_path, tile_root

MOST_FILES = 300_000
MOST_TILES = 20_000
LARGEST_ZIP = 1 << 29
LARGEST_TOTAL = 1 << 30
# Hashes hardly shrink, JSON shrinks tenfold; a bomb shrinks a thousandfold.
MOST_SHRUNK = 100
ALWAYS_ALLOWED = 1 << 20
_REQUIRED = ("README.txt", "checkpoint", "policy", "audit.json")
_NUMBER = "(0|[1-9][0-9]{0,18})"
_ENTRY = re.compile(rf"entries/{_NUMBER}\.json")
_PROOF = re.compile(rf"proofs/{_NUMBER}\.tlog-proof")
_CHECKPOINT = re.compile(rf"checkpoints/{_NUMBER}")
_CONSISTENCY = re.compile(rf"consistency/{_NUMBER}-{_NUMBER}")
_TILE = re.compile(r"tile/([0-7])/((?:x[0-9]{3}/){0,6})([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_LARGEST = {
    "README.txt": 20_000,
    "checkpoint": LARGEST_NOTE,
    "policy": LARGEST_POLICY,
    "audit.json": 2_000_000,
    "entries": LARGEST_ENTRY,
    "proofs": LARGEST_RECEIPT,
    "tile": FULL_WIDTH * HASH_SIZE,
    "checkpoints": LARGEST_NOTE,
    "consistency": 10_000,
}
# Every file that a zip lists begins with this in the list; what the zip says about their number may be a lie.
_LISTED = b"PK\x01\x02"
_ENCRYPTED = 0x1
# The record that ends a zip, without a comment.
_END, _END_SIZE = b"PK\x05\x06", 22
_SYMBOLIC_LINK = 0o12
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class VerifiedPack:
    """What a pack proved. policy: the one that was believed; is_policy_trusted: it did not come out of the pack."""

    checked: CheckedCheckpoint
    policy: LogPolicy
    is_policy_trusted: bool
    has_same_policy: bool
    witness_times: tuple[WitnessTime, ...]
    indices: tuple[int, ...]
    tile_count: int
    checkpoint_sizes: tuple[int, ...]
    audit: dict[str, Any]

    @property
    def is_final(self) -> bool:
        return self.checked.is_final

    @property
    def is_whole(self) -> bool:
        return len(self.indices) == self.checked.head.size


def verify_pack(source: BinaryIO, policy: LogPolicy | None = None) -> VerifiedPack:
    """Verify everything in a pack. policy: the one to believe instead of the pack's own.

    Raises PackInvalid, which names the first bad file.
    """
    with _naming("the zip file"):
        try:
            return _Reading(_Files(source), policy).verify()
        except (*_UNREADABLE, LookupError, OverflowError) as error:
            raise PackInvalid("It is not a zip file, or a damaged one.") from error


class _Files:
    """The files of a zip by name, each checked for its name and sizes before it is read."""

    def __init__(self, source: BinaryIO) -> None:
        zip_size = source.seek(0, 2)
        if zip_size > LARGEST_ZIP:
            raise PackInvalid("It is larger than a pack may be.")
        if _count(_LISTED, source) > MOST_FILES:
            raise PackInvalid(f"It has more than {MOST_FILES:,} files.")
        self._zip = zipfile.ZipFile(source)
        infos = self._zip.infolist()
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            with _naming(info.orig_filename):
                self._add(info)
        total = sum(info.file_size for info in infos)
        if total > min(LARGEST_TOTAL, ALWAYS_ALLOWED + MOST_SHRUNK * zip_size):
            raise PackInvalid("Its files are far larger than the zip: this is how zip bombs are made.")
        if sum(info.compress_size for info in infos) > zip_size:
            raise PackInvalid("Its files lie on top of each other: this is how zip bombs are made.")
        source.seek(-_END_SIZE, 2)
        if source.read(4) != _END or min((info.header_offset for info in infos), default=0) != 0:
            raise PackInvalid("Something stands before or behind its files, which other programs may read otherwise.")

    def _add(self, info: zipfile.ZipInfo) -> None:
        name = info.orig_filename
        if info.filename != name or not is_pack_name(name):
            raise PackInvalid("No file of a pack has such a name.")
        if name in self._infos:
            raise PackInvalid("It is in the pack twice.")
        if info.flag_bits & _ENCRYPTED or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise PackInvalid("The files of a pack are stored or deflated, and not encrypted.")
        if info.external_attr >> 28 == _SYMBOLIC_LINK:
            raise PackInvalid("A pack holds no links.")
        if info.file_size > _LARGEST[name.partition("/")[0]]:
            raise PackInvalid("It is larger than such a file may be.")
        self._infos[name] = info

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def read(self, name: str) -> bytes:
        info = self._infos.get(name)
        if info is None:
            raise PackInvalid("It is missing.")
        try:
            with self._zip.open(info) as opened:
                # One byte more than promised, so that the end is reached and the checksum compared.
                content = opened.read(info.file_size + 1)
        except _UNREADABLE as error:
            raise PackInvalid("The zip is damaged here.") from error
        if len(content) != info.file_size:
            raise PackInvalid("It does not have the size that the zip promises.")
        return content

    def numbered(self, pattern: re.Pattern[str]) -> list[tuple[int, ...]]:
        """Return the numbers in all names of one kind, rising."""
        matches = filter(None, map(pattern.fullmatch, self._infos))
        return sorted(tuple(map(int, match.groups())) for match in matches)

    def tiles(self) -> list[TileId]:
        """Return the tiles, highest first, so that each comes after what it is proven by."""
        return sorted((tile for tile in map(_tile_of, self._infos) if tile), key=lambda tile: (-tile.level, tile))


class _Reading:
    def __init__(self, files: _Files, policy: LogPolicy | None) -> None:
        self.files = files
        self.trusted = policy
        self.tiles: dict[TileId, bytes] = {}

    def verify(self) -> VerifiedPack:
        for name in _REQUIRED:
            with _naming(name):
                self.files.read(name)
        with _naming("policy"):
            own_policy = LogPolicy.parse(self.files.read("policy"))
        policy = self.trusted or own_policy
        with _naming("checkpoint"):
            note = self.files.read("checkpoint").decode()
            self.checkpoint, parsed = note, parse_note(note)
            self.checked = policy.check(parsed)
            self.head = self.checked.head
        self._verify_tiles()
        indices = self._verify_entries()
        sizes = self._verify_history(policy)
        return VerifiedPack(
            checked=self.checked,
            policy=policy,
            is_policy_trusted=self.trusted is not None,
            has_same_policy=policy == own_policy,
            witness_times=tuple(witness_times(parsed, self.checked.witness_keys)),
            indices=indices,
            tile_count=len(self.tiles),
            checkpoint_sizes=sizes,
            audit=self._read_audit(),
        )

    def _verify_tiles(self) -> None:
        """Every tile is part of the signed tree: the right edge gives the root, and each full tile its parent's hash.

        The edge is read by root_from_tiles, so that a tile that is bad there shows as a wrong root.
        """
        tiles = self.files.tiles()
        if len(tiles) > MOST_TILES:
            raise PackInvalid(f"It has more than {MOST_TILES:,} tiles.")
        for tile in tiles:
            with _naming(tile_path(tile)):
                hashes = self.files.read(tile_path(tile))
                if tile != tile_at(tile.level, tile.number, self.head.size) or len(hashes) != tile.width * HASH_SIZE:
                    raise PackInvalid("No tile of a log of this size has this place and width.")
                self.tiles[tile] = hashes
        if root_from_tiles(self.head.size, self._read_tile) != self.head.root_hash:
            with _naming(" or ".join(map(tile_path, edge_tiles(self.head.size))) or "checkpoint"):
                raise PackInvalid("The right edge of the tree does not give the root that was signed.")
        for tile in tiles:
            if tile.width == FULL_WIDTH:
                self._verify_full_tile(tile)

    def _verify_full_tile(self, tile: TileId) -> None:
        parent = tile_at(tile.level + 1, tile.number // FULL_WIDTH, self.head.size)
        hashes = self._read_tile(parent)
        with _naming(tile_path(tile)):
            if tile_root(self.tiles[tile]) != _hash_at(hashes, tile.number):
                raise PackInvalid("Its hashes do not give the hash that stands for it in the tile above.")

    def _read_tile(self, tile: TileId) -> bytes:
        with _naming(tile_path(tile)):
            if tile not in self.tiles:
                raise PackInvalid("It is missing.")
        return self.tiles[tile]

    def _verify_entries(self) -> tuple[int, ...]:
        entries, proofs = self.files.numbered(_ENTRY), self.files.numbered(_PROOF)
        for (index,) in sorted({*entries, *proofs}):
            name = f"entries/{index}.json"
            with _naming(name):
                if index >= self.head.size:
                    raise PackInvalid(f"The log of this checkpoint has {self.head.size} entries.")
                body = self.files.read(name)
                read_entry(body)
            leaf = leaf_hash(body)
            hashes = self._read_tile(tile_at(0, index // FULL_WIDTH, self.head.size))
            with _naming(name):
                if leaf != _hash_at(hashes, index):
                    raise PackInvalid("Its bytes are not those that the log committed to.")
            self._verify_proof(index, body, leaf)
        return tuple(index for (index,) in entries)

    def _verify_proof(self, index: int, body: bytes, leaf: bytes) -> None:
        name = f"proofs/{index}.tlog-proof"
        with _naming(name):
            receipt = Receipt.parse(self.files.read(name))
            # Its checkpoint was verified once; a receipt of another one would have to be verified by itself.
            if receipt.checkpoint != self.checkpoint:
                raise PackInvalid("It leads to another checkpoint than the pack's.")
            if receipt.index != index or receipt.extra not in {b"", body}:
                raise PackInvalid("It is the proof of another entry.")
            prove_leaf(leaf, receipt, self.checked)

    def _verify_history(self, policy: LogPolicy) -> tuple[int, ...]:
        """Every earlier checkpoint was signed, and a chain of proofs leads from it to the pack's checkpoint."""
        heads = {self.head.size: self.head}
        for (size,) in self.files.numbered(_CHECKPOINT):
            with _naming(f"checkpoints/{size}"):
                head = policy.check(parse_note(self.files.read(f"checkpoints/{size}"))).head
                if (head.origin, head.size) != (self.head.origin, size) or size >= self.head.size:
                    raise PackInvalid("It is not an earlier checkpoint of this log and size.")
                if size == 0 and head.root_hash != EMPTY_ROOT:
                    raise PackInvalid("It has size 0 and a root that is not the empty log's.")
            heads[size] = head
        pairs = self.files.numbered(_CONSISTENCY)
        for old, new in pairs:
            self._verify_consistency(heads, old, new)
        linked = {old for old, _ in pairs}
        for size in sorted(set(heads) - linked - {0, self.head.size}):
            with _naming(f"checkpoints/{size}"):
                raise PackInvalid("No proof leads from it to a later checkpoint.")
        return tuple(size for size in heads if size != self.head.size)

    def _verify_consistency(self, heads: dict[int, TreeHead], old: int, new: int) -> None:
        name = f"consistency/{old}-{new}"
        with _naming(name):
            if old not in heads or new not in heads or old >= new:
                raise PackInvalid("The pack does not hold both of its checkpoints.")
            proof = parse_hashes(self.files.read(name).decode())
            verify_consistency(old, new, proof, heads[old].root_hash, heads[new].root_hash)

    def _read_audit(self) -> dict[str, Any]:
        with _naming("audit.json"):
            audit = parse_object(self.files.read("audit.json"))
            size, root_hash, is_good = (audit.get(name) for name in ("size", "root_hash", "is_good"))
            if type(size) is not int or not isinstance(root_hash, str) or not isinstance(is_good, bool):
                raise PackInvalid("The report lacks its size, its root_hash or is_good.")
            if size == self.head.size and root_hash != self.head.root_hash.hex():
                raise PackInvalid("The report names another root for the size of the pack's checkpoint.")
        return audit


def _count(mark: bytes, source: BinaryIO) -> int:
    """Count without listing: a list of millions of files would not fit into memory."""
    source.seek(0)
    count, rest = 0, b""
    while chunk := source.read(ALWAYS_ALLOWED):
        window = rest + chunk
        count += window.count(mark)
        rest = window[-(len(mark) - 1) :]
    source.seek(0)
    return count


def is_pack_name(name: str) -> bool:
    patterns = (_ENTRY, _PROOF, _CHECKPOINT, _CONSISTENCY)
    return name in _REQUIRED or any(pattern.fullmatch(name) for pattern in patterns) or _tile_of(name) is not None


def _tile_of(name: str) -> TileId | None:
    match = _TILE.fullmatch(name)
    if match is None:
        return None
    number = int(match[2].replace("x", "").replace("/", "") + match[3])
    tile = TileId(int(match[1]), number, int(match[4] or FULL_WIDTH))
    # One spelling of each tile only.
    return tile if tile_path(tile) == name else None


def _hash_at(hashes: bytes, position: int) -> bytes:
    start = position % FULL_WIDTH * HASH_SIZE
    return hashes[start : start + HASH_SIZE]


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say in which file something is wrong; the innermost name counts."""
    try:
        yield
    except PackInvalid as error:
        if "file" in error.details:
            raise
        raise PackInvalid(f"{name}: {error}", file=name) from error
    except (LedgerError, UnicodeError) as error:
        sentence = str(error) if isinstance(error, LedgerError) else "It is not UTF-8."
        raise PackInvalid(f"{name}: {sentence}", file=name) from error
