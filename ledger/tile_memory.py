"""Tiles in memory with all their inner hashes, so that a proof is only looked up.

A tile is kept under its own Merkle hash, and is asked for by the hash that the tile above it, or in the end the signed
root, says it has. So what another history left in memory is never taken for this one's, after a restore or a fork
either, and nothing ever has to be thrown away but for room. The other way round a proof out of memory is right for its
root whatever happened to the stored tiles since; whoever wants to know about those reads them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.errors import LogDamaged
from ledger.merkle import fold_peaks, node_hash
from ledger.tiles import (
    FULL_WIDTH,
    HASH_SIZE,
    TILE_HEIGHT,
    RightEdge,
    TileId,
    edge_tiles,
    split_hashes,
    tile_path,
)

# A full tile with its inner hashes takes 16 KiB: at most 64 MiB for a process that proves everything everywhere, which
# is a million entries.
MOST_TILES = 4096
MOST_EDGES = 8

# The hashes of a tile by height above its own level: 256, 128, ..., 2 of them, joined.
Inner = Sequence[bytes]
Value = TypeVar("Value")
ReadTiles = Callable[[Sequence[TileId]], Mapping[TileId, bytes]]


@dataclass(frozen=True, slots=True)
class Edge:
    """What a proof needs of the right edge of a tree. It was hashed up to the tree's root.

    inner: of the partial tile of each level; after_peak: how a proof goes on from the peak of each height.
    """

    inner: Mapping[int, Inner]
    after_peak: Mapping[int, Sequence[bytes]]


class TileMemory:
    """Safe for threads: two that miss the same tile both read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tiles: OrderedDict[bytes, Inner] = OrderedDict()
        self._edges: OrderedDict[bytes, Edge] = OrderedDict()

    def clear(self) -> None:
        with self._lock:
            self._tiles.clear()
            self._edges.clear()

    def inclusion_proof(self, index: int, size: int, root_hash: bytes, read: ReadTiles) -> list[bytes]:
        """index: below size. read: gives stored tiles, asked at most once. Raises TileMissing, LogDamaged."""
        peak_height = (index ^ size).bit_length() - 1
        top, rest = divmod(peak_height, TILE_HEIGHT)
        below = [TileId(level, index >> TILE_HEIGHT * (level + 1), FULL_WIDTH) for level in range(top)]
        name = size.to_bytes(8, "big") + root_hash
        edge, stored = self._get(self._edges, name), None
        if edge is None:
            stored = read(sorted({*edge_tiles(size), *below}))
            edge = _make_edge(size, root_hash, stored)
            self._keep(self._edges, name, edge, MOST_EDGES)
        chain = [edge.inner[top]]
        for tile in reversed(below):
            own_hash = _at(chain[-1][0], index >> TILE_HEIGHT * (tile.level + 1) & FULL_WIDTH - 1)
            inner = self._get(self._tiles, own_hash)
            if inner is None:
                stored = read(below) if stored is None else stored
                inner = _checked(tile, stored[tile], own_hash)
                self._keep(self._tiles, own_hash, inner, MOST_TILES)
            chain.append(inner)
        proof: list[bytes] = []
        for level, inner in enumerate(reversed(chain)):
            slot = index >> TILE_HEIGHT * level & FULL_WIDTH - 1
            height = rest if level == top else TILE_HEIGHT
            proof += [_at(inner[at], slot >> at ^ 1) for at in range(height)]
        return proof + list(edge.after_peak[peak_height])

    def _get(self, kept: OrderedDict[bytes, Value], name: bytes) -> Value | None:
        with self._lock:
            found = kept.get(name)
            if found is not None:
                kept.move_to_end(name)
            return found

    def _keep(self, kept: OrderedDict[bytes, Value], name: bytes, value: Value, most: int) -> None:
        with self._lock:
            kept[name] = value
            while len(kept) > most:
                kept.popitem(last=False)


def _make_edge(size: int, root_hash: bytes, stored: Mapping[TileId, bytes]) -> Edge:
    own = {tile.level: stored[tile] for tile in edge_tiles(size)}
    edge = RightEdge.read(size, own)
    if edge.root_hash != root_hash:
        raise LogDamaged(f"The stored tiles do not give the root of size {size}.")
    peaks = [peak for level in sorted(edge.peaks, reverse=True) for peak in edge.peaks[level]]
    heights = [height for height in range(size.bit_length(), -1, -1) if size >> height & 1]
    after = {}
    for number, height in enumerate(heights):
        smaller = peaks[number + 1 :]
        after[height] = ([fold_peaks(smaller)] if smaller else []) + peaks[:number][::-1]
    return Edge({level: _inner(hashes) for level, hashes in own.items()}, after)


def _checked(tile: TileId, hashes: bytes, own_hash: bytes) -> Inner:
    inner = _inner(hashes)
    if node_hash(*split_hashes(inner[-1])) != own_hash:
        raise LogDamaged(f"The tile {tile_path(tile)} does not have the hash that the tree gives it.")
    return inner


def _inner(hashes: bytes) -> Inner:
    """Join what can be joined, height by height; of a partial tile some stay alone on the right."""
    rows: list[list[bytes]] = [split_hashes(hashes)]
    for _ in range(TILE_HEIGHT - 1):
        pairs: Iterable[tuple[bytes, bytes]] = zip(rows[-1][::2], rows[-1][1::2], strict=False)
        rows.append([node_hash(left, right) for left, right in pairs])
    return tuple(b"".join(row) for row in rows)


def _at(hashes: bytes, number: int) -> bytes:
    return hashes[number * HASH_SIZE : (number + 1) * HASH_SIZE]
