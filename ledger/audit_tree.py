"""The tree of an audit: grown tile by tile from recomputed leaf hashes, with its root at every size on the way. Pure.

Its state between two full tiles is small and can be written down, so that an audit goes on where it was broken off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from ledger.merkle import Frontier, fold_peaks
from ledger.tiles import FULL_WIDTH, HASH_SIZE

_PAIR = 2 * HASH_SIZE


@dataclass
class TileTree:
    """carry: for each level above the lowest, the hashes of its last tile while that is not full.

    numbers: for each of these levels, the number of that tile.
    """

    tiles: Frontier = field(default_factory=Frontier)
    carry: list[bytes] = field(default_factory=list)
    rest: list[bytes] = field(default_factory=list)

    @property
    def position(self) -> int:
        """How many entries the full tiles hold."""
        return self.tiles.size * FULL_WIDTH

    def add(self, leaves: bytes) -> bytes:
        """Add the next 256 leaf hashes, or the last ones if fewer, and return the tile's root."""
        self.rest = levels_of(leaves)
        return self.rest[-1] if len(leaves) == FULL_WIDTH * HASH_SIZE else b""

    def root_at(self, width: int) -> bytes:
        """Return the root of the full tiles and the first width leaves of what was added last."""
        peaks = []
        for height in range(8, -1, -1):
            if width >> height & 1:
                end = (width >> height) * HASH_SIZE
                peaks.append(self.rest[height][end - HASH_SIZE : end])
        return fold_peaks([*self.tiles.peaks, *peaks])

    def close_tile(self) -> None:
        """What was added last was full: it joins the tree."""
        self.tiles.add(self.rest[-1])

    def carry_up(self, level: int, roots: bytes) -> bytes:
        """Add the roots of full tiles one level below, and return all hashes of this level that are not yet in one."""
        while len(self.carry) < level:
            self.carry.append(b"")
        self.carry[level - 1] += roots
        return self.carry[level - 1]

    def keep(self, level: int, hashes: bytes) -> None:
        self.carry[level - 1] = hashes

    def number(self, level: int) -> int:
        """Return the number of the first tile of a level that was not full yet."""
        held = len(self.carry[level - 1]) // HASH_SIZE
        return ((self.position >> 8 * level) - held) // FULL_WIDTH

    def state(self) -> dict[str, Any]:
        return {
            "tiles": self.tiles.size,
            "peaks": [peak.hex() for peak in self.tiles.peaks],
            "carry": [hashes.hex() for hashes in self.carry],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> TileTree:
        """An empty state is an empty tree. Raises ValueError, KeyError, TypeError."""
        if not state:
            return cls()
        peaks = [bytes.fromhex(peak) for peak in state["peaks"]]
        if len(peaks) != state["tiles"].bit_count():
            raise ValueError("The peaks are not those of this many tiles.")
        return cls(Frontier(state["tiles"], peaks), [bytes.fromhex(hashes) for hashes in state["carry"]])


def levels_of(leaves: bytes) -> list[bytes]:
    """Return the leaves, then the hashes of their perfect subtrees of 2, 4, 8 ... leaves, all joined."""
    levels = [leaves]
    while len(below := levels[-1]) > HASH_SIZE:
        # An odd one at the end is part of no perfect subtree yet.
        pairs = range(0, len(below) - HASH_SIZE, _PAIR)
        levels.append(b"".join([sha256(b"\x01" + below[at : at + _PAIR]).digest() for at in pairs]))
    return levels
