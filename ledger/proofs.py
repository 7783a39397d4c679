"""Proofs from stored tiles: one query, O(log n) hashes."""

from ledger.merkle import consistency_ranges, inclusion_ranges
from ledger.statements import select_tiles
from ledger.tiles import range_hash, tiles_of_ranges


def prove_inclusion(index: int, size: int) -> list[bytes]:
    """Return the hashes that join entry index to the root of size, lowest first. Raises IndexError, TileMissing."""
    return _hashes(inclusion_ranges(index, size), size)


def prove_consistency(old_size: int, size: int) -> list[bytes]:
    """Return the hashes that show that the log of size only added to the log of old_size. Raises as above."""
    return _hashes(consistency_ranges(old_size, size), size)


def _hashes(ranges: list[tuple[int, int]], size: int) -> list[bytes]:
    tiles = select_tiles(sorted(tiles_of_ranges(ranges, size)))
    return [range_hash(low, high, size, tiles.__getitem__) for low, high in ranges]
