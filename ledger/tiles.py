"""The tree cut into tiles (C2SP tlog-tiles): which exist, how they grow, and hashes read from them. Pure.

A tile holds up to 256 neighbouring hashes of perfect subtrees of height 8 x level. A partial tile is the beginning of
the full one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ledger.errors import TileMissing
from ledger.merkle import Frontier, fold_peaks, perfect_root, root_hash

HASH_SIZE = 32
FULL_WIDTH = 256
TILE_HEIGHT = 8


class TileId(NamedTuple):
    level: int
    number: int
    width: int


@dataclass(frozen=True, slots=True)
class Growth:
    """What one batch adds: the tiles to store, and the tree's new size and root."""

    size: int
    root_hash: bytes
    tiles: list[tuple[TileId, bytes]]
    edge: RightEdge


@dataclass(frozen=True, slots=True)
class RightEdge:
    """What has to be known of a log to append to it.

    hashes: those of each partial tile, by level; peaks: the same joined to perfect subtrees, largest first.
    """

    size: int
    hashes: Mapping[int, bytes]
    peaks: Mapping[int, Sequence[bytes]]

    @classmethod
    def read(cls, size: int, hashes: Mapping[int, bytes]) -> RightEdge:
        return cls(size, hashes, {level: _peaks(own) for level, own in hashes.items()})

    @property
    def root_hash(self) -> bytes:
        return fold_peaks([peak for level in sorted(self.peaks, reverse=True) for peak in self.peaks[level]])

    def grow(self, leaves: Sequence[bytes]) -> Growth:
        """Append leaf hashes. No hash that an earlier append computed is computed again."""
        tiles: list[tuple[TileId, bytes]] = []
        hashes, peaks = dict(self.hashes), dict(self.peaks)
        fresh, level = leaves, 0
        while fresh:
            own = hashes.pop(level, b"")
            full, tree = _fill(Frontier(len(own) // HASH_SIZE, list(peaks.pop(level, ()))), fresh)
            written = _cut(level, (self.size >> TILE_HEIGHT * level) // FULL_WIDTH, own + b"".join(fresh))
            tiles += written
            if tree.size:
                hashes[level], peaks[level] = written[-1][1], tree.peaks
            fresh, level = full, level + 1
        edge = RightEdge(self.size + len(leaves), hashes, peaks)
        return Growth(edge.size, edge.root_hash, tiles, edge)


ReadTile = Callable[[TileId], bytes]


def tile_path(tile: TileId) -> str:
    """Return the address below the log's: tile/0/x001/x234/067 or, when partial, tile/0/067.p/112."""
    return f"tile/{tile.level}/{tile_place(tile.number, tile.width)}"


def tile_place(number: int, width: int) -> str:
    groups = [f"{number % 1000:03}"]
    rest = number // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03}")
        rest //= 1000
    return "/".join(groups) + ("" if width == FULL_WIDTH else f".p/{width}")


def tile_number(groups: str) -> int:
    """Read the number of a tile out of its address: x001/x234/067 is 1234067."""
    return int(groups.replace("x", "").replace("/", ""))


def tile_at(level: int, number: int, size: int) -> TileId:
    """Return the tile as wide as it is in a log of this size. Raises TileMissing when it holds nothing yet."""
    width = min(FULL_WIDTH, (size >> TILE_HEIGHT * level) - number * FULL_WIDTH)
    if width < 1:
        raise TileMissing(f"A log of {size} entries has no tile {number} at level {level}.")
    return TileId(level, number, width)


def edge_tiles(size: int) -> list[TileId]:
    """Return the partial tiles of a log of this size, level 0 first."""
    edge = []
    level = 0
    while filled := size >> TILE_HEIGHT * level:
        if width := filled % FULL_WIDTH:
            edge.append(TileId(level, filled // FULL_WIDTH, width))
        level += 1
    return edge


def perfect_subtrees(low: int, high: int) -> list[tuple[int, int]]:
    """Cut a range of a proof into perfect subtrees, largest first, each as (height, position among its height)."""
    subtrees = []
    while low < high:
        height = (high - low).bit_length() - 1
        subtrees.append((height, low >> height))
        low += 1 << height
    return subtrees


def tiles_of_ranges(ranges: Iterable[tuple[int, int]], size: int) -> set[TileId]:
    """Return every tile that hashing these ranges reads."""
    return {
        _place(height, position, size)[0] for low, high in ranges for height, position in perfect_subtrees(low, high)
    }


def range_hash(low: int, high: int, size: int, read: ReadTile) -> bytes:
    """Return the Merkle hash of the leaves low <= index < high of a log of this size.

    low: a multiple of the largest power of two strictly below or equal to high - low, as in every proof.
    read: gives the hashes of a tile, or raises TileMissing.
    """
    return fold_peaks([_subtree_hash(*subtree, size, read) for subtree in perfect_subtrees(low, high)])


def root_from_tiles(size: int, read: ReadTile) -> bytes:
    return range_hash(0, size, size, read)


def grow(size: int, edge: Mapping[int, bytes], leaves: Sequence[bytes]) -> Growth:
    """Append leaf hashes to a log of which only the right edge is known.

    edge: the hashes of each partial tile by level, as edge_tiles(size) names them.
    """
    return RightEdge.read(size, edge).grow(leaves)


def tile_root(hashes: bytes) -> bytes:
    split = split_hashes(hashes)
    return perfect_root(split) if len(split) == FULL_WIDTH else root_hash(split)


def split_hashes(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_SIZE] for start in range(0, len(hashes), HASH_SIZE)]


def _cut(level: int, number: int, hashes: bytes) -> list[tuple[TileId, bytes]]:
    step = FULL_WIDTH * HASH_SIZE
    pieces = [hashes[start : start + step] for start in range(0, len(hashes), step)]
    return [(TileId(level, number + offset, len(piece) // HASH_SIZE), piece) for offset, piece in enumerate(pieces)]


def _fill(tree: Frontier, fresh: Sequence[bytes]) -> tuple[list[bytes], Frontier]:
    """Add hashes to a tile's tree; return the roots of the tiles that became full, and the tree of the last one."""
    full: list[bytes] = []
    for start in range(-tree.size, len(fresh), FULL_WIDTH):
        own = fresh[max(start, 0) : start + FULL_WIDTH]
        if len(own) == FULL_WIDTH:
            full.append(perfect_root(own))
            continue
        for subtree in own:
            tree.add(subtree)
        if tree.size == FULL_WIDTH:
            full += tree.peaks
            tree = Frontier()
    return full, tree


def _peaks(hashes: bytes) -> list[bytes]:
    tree = Frontier()
    for subtree in split_hashes(hashes):
        tree.add(subtree)
    return tree.peaks


def _place(height: int, position: int, size: int) -> tuple[TileId, slice]:
    """Return the tile that holds a perfect subtree's hashes, and where in it."""
    level, inner_height = divmod(height, TILE_HEIGHT)
    number, offset = divmod(position << inner_height, FULL_WIDTH)
    start = offset * HASH_SIZE
    return tile_at(level, number, size), slice(start, start + (HASH_SIZE << inner_height))


def _subtree_hash(height: int, position: int, size: int, read: ReadTile) -> bytes:
    tile, part = _place(height, position, size)
    hashes = read(tile)
    if len(hashes) != tile.width * HASH_SIZE:
        raise TileMissing(f"The tile {tile_path(tile)} does not hold {tile.width} hashes.")
    return tile_root(hashes[part])
