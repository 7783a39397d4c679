"""Proofs from stored tiles: one query, O(log n) hashes."""

from ledger.merkle import consistency_ranges, inclusion_ranges
from ledger.statements import select_tiles
from ledger.tile_memory import TileMemory
from ledger.tiles import range_hash, tiles_of_ranges

_memory = TileMemory()


def prove_inclusion(index: int, size: int, root_hash: bytes | None = None) -> list[bytes]:
    """Return the hashes that join entry index to the root of size, lowest first.

    root_hash: of size, as it was signed. With it the proof comes from tiles in memory where they are, each checked
    against the root, and it is right or LogDamaged is raised; without it, from what is stored now, as it is.
    Raises IndexError, TileMissing.
    """
    if root_hash is None:
        return _hashes(inclusion_ranges(index, size), size)
    if not 0 <= index < size:
        raise IndexError(f"A log of {size} entries has no entry {index}.")
    return _memory.inclusion_proof(index, size, root_hash, select_tiles)


def prove_consistency(old_size: int, size: int) -> list[bytes]:
    """Return the hashes that show that the log of size only added to the log of old_size. Raises as above."""
    return _hashes(consistency_ranges(old_size, size), size)


def forget_tiles() -> None:
    """Nothing but time depends on it."""
    _memory.clear()


def _hashes(ranges: list[tuple[int, int]], size: int) -> list[bytes]:
    tiles = select_tiles(sorted(tiles_of_ranges(ranges, size)))
    return [range_hash(low, high, size, tiles.__getitem__) for low, high in ranges]
