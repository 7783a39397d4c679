from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import TileMissing
from ledger.merkle import (
    Frontier,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from ledger.tiles import (
    TileId,
    edge_tiles,
    grow,
    range_hash,
    root_from_tiles,
    tile_at,
    tile_path,
    tiles_of_ranges,
)

SIZE = 70_000


@pytest.fixture(scope="module")
def leaves():
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(SIZE)]


def store(batches: Iterable[int], leaves: Sequence[bytes]) -> tuple[dict[TileId, bytes], dict[int, bytes]]:
    """Grow a log batch by batch, reading nothing but its right edge; return all tiles and the roots by size."""
    tiles: dict[TileId, bytes] = {}
    roots: dict[int, bytes] = {}
    size = 0
    for count in batches:
        edge = {tile.level: tiles[tile] for tile in edge_tiles(size)}
        growth = grow(size, edge, leaves[size : size + count])
        assert not set(dict(growth.tiles)) & set(tiles)
        tiles |= dict(growth.tiles)
        size = growth.size
        roots[size] = growth.root_hash
    return tiles, roots


@pytest.fixture(scope="module")
def log(leaves):
    return store([1, 255, 1, 4000, 65_000 - 4257, 536, 1, 0, 4463], leaves)


def test_the_edge_of_the_published_example():
    assert edge_tiles(SIZE) == [TileId(0, 273, 112), TileId(1, 1, 17), TileId(2, 0, 1)]
    assert tile_at(0, 272, SIZE) == TileId(0, 272, 256)
    assert tile_at(1, 0, SIZE) == TileId(1, 0, 256)


@pytest.mark.parametrize("size", [0, 256, 65_536])
def test_a_tile_of_width_zero_does_not_exist(size):
    assert all(tile.width for tile in edge_tiles(size))
    with pytest.raises(TileMissing):
        tile_at(0, size // 256, size)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (TileId(0, 0, 256), "tile/0/000"),
        (TileId(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (TileId(1, 1000, 17), "tile/1/x001/000.p/17"),
        (TileId(0, 273, 112), "tile/0/273.p/112"),
    ],
)
def test_paths_of_tiles(tile, path):
    assert tile_path(tile) == path


def test_the_published_example_has_these_tiles(log):
    tiles, _ = log
    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    assert sum(tile.level == 1 and tile.width == 256 for tile in tiles) == 1
    assert set(edge_tiles(SIZE)) <= set(tiles)


def test_every_size_that_was_signed_has_its_edge(log):
    tiles, roots = log
    for size, root in roots.items():
        assert set(edge_tiles(size)) <= set(tiles)
        assert root_from_tiles(size, tiles.__getitem__) == root


def test_the_roots_are_those_of_the_leaves(log, leaves):
    _, roots = log
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
        if tree.size in roots:
            assert roots[tree.size] == tree.root()


def test_proofs_from_tiles_verify_and_read_few_of_them(log, leaves):
    tiles, roots = log
    for index in [*range(0, SIZE, 997), 65_535, 65_536, 69_887, 69_888, SIZE - 1]:
        ranges = inclusion_ranges(index, SIZE)
        assert len(tiles_of_ranges(ranges, SIZE)) <= 5
        proof = [range_hash(low, high, SIZE, tiles.__getitem__) for low, high in ranges]
        verify_inclusion(leaves[index], index, SIZE, proof, roots[SIZE])
    for old_size, size in pairwise(roots):
        if old_size == size:
            continue
        proof = [range_hash(low, high, size, tiles.__getitem__) for low, high in consistency_ranges(old_size, size)]
        verify_consistency(old_size, size, proof, roots[old_size], roots[size])


@given(st.lists(st.integers(0, 300), max_size=12))
def test_growing_in_any_batches_gives_the_same_tree(batches):
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(sum(batches))]
    tiles, roots = store(batches, leaves)
    for size, root in roots.items():
        assert root == root_hash(leaves[:size])
        assert set(edge_tiles(size)) <= set(tiles)


def test_a_tile_of_the_wrong_size_is_refused(log):
    tiles, _ = log
    with pytest.raises(TileMissing):
        root_from_tiles(SIZE, lambda tile: tiles[tile][:-1])
