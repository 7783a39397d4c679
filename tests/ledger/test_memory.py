import stat

import pytest

from ledger.errors import MemoryUnusable
from ledger.memory import SignerMemory
from ledger.notes import TreeHead

ORIGIN = "market.example/log"


def head(size: int, origin: str = ORIGIN) -> TreeHead:
    return TreeHead(origin, size, size.to_bytes(32, "big"))


@pytest.fixture
def memory(tmp_path):
    return SignerMemory(tmp_path / "keys" / "ledger.memory", ORIGIN)


def test_knows_nothing_before_it_was_begun(memory):
    assert memory.recall() is None
    assert not memory.path.exists()


def test_remembers_the_newest(memory):
    memory.begin(head(0))
    assert memory.recall() == head(0)
    for size in (1, 5, 6, 100, 8192, 2**53):
        memory.remember(head(size))
        assert memory.recall() == head(size)
        assert SignerMemory(memory.path, ORIGIN).recall() == head(size)
    assert stat.S_IMODE(memory.path.stat().st_mode) == 0o600
    assert list(memory.path.parent.iterdir()) == [memory.path]


def test_never_becomes_smaller(memory):
    memory.begin(head(7))
    memory.remember(head(3))
    memory.begin(head(0))
    assert memory.recall() == head(7)


def test_one_damaged_slot_leaves_the_head_before(memory):
    """As when the power goes while the disk writes the sector."""
    memory.begin(head(0))
    memory.remember(head(4))
    memory.remember(head(9))
    content = memory.path.read_bytes()
    newest = content.index(f" {9} ".encode())
    memory.path.write_bytes(content[:newest] + b"?" + content[newest + 1 :])
    assert memory.recall() == head(4)
    memory.remember(head(11))
    assert memory.recall() == head(11)
    memory.remember(head(12))
    assert memory.recall() == head(12)


@pytest.mark.parametrize("content", [b"", b"\0" * 4608, b"nothing", b"\xff" * 5000])
def test_a_damaged_file_is_not_an_empty_one(memory, content):
    memory.begin(head(4))
    memory.path.write_bytes(content)
    for act in (memory.recall, lambda: memory.remember(head(5))):
        with pytest.raises(MemoryUnusable, match="damaged"):
            act()
    assert memory.path.read_bytes() == content


def test_every_flipped_bit_of_a_slot_is_noticed(memory):
    memory.begin(head(4))
    content = memory.path.read_bytes()
    end = content.index(b"\n")
    for place in range(end):
        for bit in range(8):
            changed = bytearray(content[:4096])
            changed[place] ^= 1 << bit
            memory.path.write_bytes(changed)
            with pytest.raises(MemoryUnusable):
                memory.recall()


def test_the_memory_of_another_log_is_refused(memory):
    memory.begin(head(4, "other.example/log"))
    with pytest.raises(MemoryUnusable, match=r"other\.example/log"):
        memory.recall()


def test_what_cannot_be_opened_is_not_taken_for_nothing(memory):
    memory.path.mkdir(parents=True)
    with pytest.raises(MemoryUnusable, match="cannot be used"):
        memory.recall()
    with pytest.raises(MemoryUnusable, match="cannot be written"):
        memory.remember(head(1))


def test_cannot_be_made_below_a_file(tmp_path):
    (tmp_path / "keys").write_text("")
    with pytest.raises(MemoryUnusable):
        SignerMemory(tmp_path / "keys" / "ledger.memory", ORIGIN).begin(head(0))
