from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from ledger import tile_memory
from ledger.errors import LogDamaged, TileMissing
from ledger.merkle import Frontier, inclusion_proof, leaf_hash, root_hash, verify_inclusion
from ledger.tile_memory import TileMemory
from ledger.tiles import TileId, grow

SIZE = 70_000


class Stored:
    """A log's tiles as they are stored, which counts how often it is read."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self.tiles = dict(grow(0, {}, leaves).tiles)
        self.reads = 0

    def read(self, wanted: Sequence[TileId]) -> Mapping[TileId, bytes]:
        self.reads += 1
        missing = [tile for tile in wanted if tile not in self.tiles]
        if missing:
            raise TileMissing(str(missing))
        return {tile: self.tiles[tile] for tile in wanted}


def log_of(size: int, name: bytes = b"") -> Stored:
    return Stored([leaf_hash(name + number.to_bytes(4, "big")) for number in range(size)])


@pytest.fixture(scope="module")
def large() -> tuple[Stored, bytes]:
    log = log_of(SIZE)
    tree = Frontier()
    for leaf in log.leaves:
        tree.add(leaf)
    return log, tree.root()


def test_every_proof_of_every_small_log():
    for size in range(1, 66):
        log, memory = log_of(size), TileMemory()
        root = root_hash(log.leaves)
        for index in range(size):
            assert memory.inclusion_proof(index, size, root, log.read) == inclusion_proof(log.leaves, index)
        assert log.reads == 1


@pytest.mark.parametrize("size", [255, 256, 257, 511, 512, 513, 767])
def test_every_proof_around_full_tiles(size):
    log, memory = log_of(size), TileMemory()
    root = root_hash(log.leaves)
    for index in range(size):
        assert memory.inclusion_proof(index, size, root, log.read) == inclusion_proof(log.leaves, index)


def test_proofs_of_three_levels(large):
    log, root = large
    memory = TileMemory()
    for index in {*range(0, SIZE, 997), 65_535, 65_536, SIZE - 1, 69_887, 69_888}:
        proof = memory.inclusion_proof(index, SIZE, root, log.read)
        verify_inclusion(log.leaves[index], index, SIZE, proof, root)


def test_what_was_read_once_is_not_read_again():
    log, memory = log_of(1000), TileMemory()
    root = root_hash(log.leaves)
    for index in (3, 250, 3, 999):
        memory.inclusion_proof(index, 1000, root, log.read)
    assert log.reads == 1
    memory.inclusion_proof(300, 1000, root, log.read)
    assert log.reads == 2
    memory.clear()
    memory.inclusion_proof(300, 1000, root, log.read)
    assert log.reads == 3


def test_another_history_of_the_same_size_gets_its_own_proofs():
    log, fork, memory = log_of(600), log_of(600, b"fork"), TileMemory()
    for one in (log, fork, log):
        root = root_hash(one.leaves)
        assert memory.inclusion_proof(5, 600, root, one.read) == inclusion_proof(one.leaves, 5)
    assert (log.reads, fork.reads) == (1, 1)


def test_a_larger_log_goes_on_with_the_full_tiles_of_the_smaller():
    log, memory = log_of(700), TileMemory()
    memory.inclusion_proof(5, 700, root_hash(log.leaves), log.read)
    grown = log_of(900)
    del grown.tiles[TileId(0, 0, 256)]
    memory.inclusion_proof(700, 900, root_hash(grown.leaves), grown.read)
    assert memory.inclusion_proof(5, 900, root_hash(grown.leaves), grown.read) == inclusion_proof(grown.leaves, 5)


@pytest.mark.parametrize("tile", [TileId(0, 0, 256), TileId(0, 2, 88), TileId(1, 0, 2)])
def test_a_changed_tile_gives_no_proof_and_is_not_kept(tile):
    log, memory = log_of(600), TileMemory()
    root = root_hash(log.leaves)
    good = log.tiles[tile]
    log.tiles[tile] = bytes([good[0] ^ 1]) + good[1:]
    for _ in range(2):
        with pytest.raises(LogDamaged):
            memory.inclusion_proof(5, 600, root, log.read)
    log.tiles[tile] = good
    assert memory.inclusion_proof(5, 600, root, log.read) == inclusion_proof(log.leaves, 5)


def test_another_root_gives_no_proof():
    log, memory = log_of(600), TileMemory()
    with pytest.raises(LogDamaged):
        memory.inclusion_proof(5, 600, leaf_hash(b"another"), log.read)


def test_room_is_bounded_and_the_longest_unused_goes(monkeypatch):
    monkeypatch.setattr(tile_memory, "MOST_TILES", 2)
    log, memory = log_of(1100), TileMemory()
    root = root_hash(log.leaves)
    for index in (0, 300, 0, 600, 0):
        memory.inclusion_proof(index, 1100, root, log.read)
    assert log.reads == 3
    memory.inclusion_proof(300, 1100, root, log.read)
    assert log.reads == 4


def test_many_threads_at_once(monkeypatch):
    monkeypatch.setattr(tile_memory, "MOST_TILES", 1)
    log, memory = log_of(1100), TileMemory()
    root = root_hash(log.leaves)

    def prove(index: int) -> bool:
        return memory.inclusion_proof(index, 1100, root, log.read) == inclusion_proof(log.leaves, index)

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(prove, range(0, 1100, 11)))
