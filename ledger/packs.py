"""The evidence pack: part of a log, or all of it, in one zip that anybody can check without us. Pure.

    README.txt                        how to check it
    checkpoint                        the checkpoint that everything leads to: a note with its cosignatures
    policy                            the log and witnesses whose keys the market names (C2SP tlog-policy)
    entries/<index>.json              the exact bytes of the entries
    proofs/<index>.tlog-proof         for each entry, its proof to the root of `checkpoint`
    tile/<level>/<number>[.p/<width>] what the root is made of, as a log serves it (C2SP tlog-tiles): the tiles above
                                      the entries, and those of the right edge; all of them when all entries are there
    checkpoints/<size>                earlier checkpoints, optional
    consistency/<old>-<new>           base64 hashes, one a line: the checkpoint of size <new> only added to <old>
    audit.json                        what the market's own audit reported

No other name may occur, none twice, and only deflated or stored files. ledger.pack_reading verifies it.
"""

import base64
import functools
import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ledger.merkle import consistency_ranges, inclusion_ranges
from ledger.notes import TreeHead, parse_note
from ledger.receipts import SUFFIX, Receipt
from ledger.tiles import FULL_WIDTH, HASH_SIZE, ReadTile, TileId, edge_tiles, range_hash, tile_at, tile_path

README = """This is an evidence pack: entries of a transparency log, and everything that proves them.

To check it you need Python 3.11 or newer, PyNaCl (pip install pynacl) and the folder "ledger" of the market's source:

    python -m ledger.verify pack THIS.zip --policy POLICY

POLICY is a policy file that you got from somebody you trust: it names the keys of the log and of its witnesses. Without
it the pack's own policy is used, which proves only that the pack agrees with itself.
The program needs no network and says line by line what it proved. Its exit code is 0 when all is good and final, 1 when
something is wrong (it names the first bad file), 2 when all is good but too few witnesses cosigned, 3 on wrong usage.

The formats are public (c2sp.org: signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof, tlog-policy;
RFC 9162), so other people's programs can check it, too: the leaf of each entry is SHA-256 over a zero byte and the
exact bytes of its file in entries/.
Not proven by anything here: that what an entry says is true; what audit.json and this file say.
"""
# Zip files carry times. A pack of the same content is the same file.
_TIME = (1980, 1, 1, 0, 0, 0)
_FILE_MODE = 0o644 << 16
_REGULAR_FILE = 0o100000 << 16

HashRange = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class PackContent:
    """What goes into a pack beside the tree itself.

    checkpoint: the note with its cosignatures; entries: (index, exact bytes), rising, all below its size.
    audit: the report: size, root_hash (hexadecimal) and is_good, and more text, whole numbers and lists.
    checkpoints: earlier notes of the same log by size.
    """

    checkpoint: str
    policy: str
    entries: Iterable[tuple[int, bytes]]
    audit: Mapping[str, Any]
    checkpoints: Mapping[int, str] = field(default_factory=dict)


def write_pack(target: BinaryIO, content: PackContent, read: ReadTile) -> None:
    """Write a pack. read: gives the hashes of a tile of this log. Raises IndexError, NoteMalformed, TileMissing."""
    size = TreeHead.parse(parse_note(content.checkpoint).text).size
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as pack:
        _write(pack, "README.txt", README)
        _write(pack, "checkpoint", content.checkpoint)
        _write(pack, "policy", content.policy)
        _write(pack, "audit.json", json.dumps(content.audit, indent=1, sort_keys=True) + "\n")
        tiles = set(edge_tiles(size))
        # Neighbours share most of their proofs.
        hash_range = functools.cache(functools.partial(range_hash, size=size, read=functools.cache(read)))
        for index, body in content.entries:
            proof = tuple(hash_range(*span) for span in inclusion_ranges(index, size))
            _write(pack, f"entries/{index}.json", body)
            _write(pack, f"proofs/{index}{SUFFIX}", Receipt(index, proof, content.checkpoint).text())
            tiles.update(tiles_above(index, size))
        for tile in sorted(tiles):
            _write(pack, tile_path(tile), read(tile))
        _write_history(pack, content, size, read)


def tiles_above(index: int, size: int) -> list[TileId]:
    """Return the tiles that lead from a leaf to the right edge of the tree, lowest first."""
    tiles = [tile_at(0, index // FULL_WIDTH, size)]
    while tiles[-1].width == FULL_WIDTH:
        tiles.append(tile_at(tiles[-1].level + 1, tiles[-1].number // FULL_WIDTH, size))
    return tiles


def _write_history(pack: zipfile.ZipFile, content: PackContent, size: int, read: ReadTile) -> None:
    sizes = sorted(earlier for earlier in content.checkpoints if earlier < size)
    for old, new in itertools.pairwise([*sizes, size]):
        _write(pack, f"checkpoints/{old}", content.checkpoints[old])
        if old:
            proof = [range_hash(*span, size=new, read=_read_from(size, read)) for span in consistency_ranges(old, new)]
            _write(pack, f"consistency/{old}-{new}", _lines(proof))


def _read_from(size: int, read: ReadTile) -> ReadTile:
    """A tile of an earlier size is the beginning of the one that there is now."""

    def read_beginning(tile: TileId) -> bytes:
        return read(tile_at(tile.level, tile.number, size))[: tile.width * HASH_SIZE]

    return read_beginning


def _lines(hashes: Sequence[bytes]) -> str:
    return "".join(f"{base64.b64encode(each).decode()}\n" for each in hashes)


def _write(pack: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    info = zipfile.ZipInfo(name, _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = _REGULAR_FILE | _FILE_MODE
    pack.writestr(info, content)
