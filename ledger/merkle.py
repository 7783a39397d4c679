"""The Merkle tree of RFC 6962 and RFC 9162 (2.1): hashes, proofs, and checking them. Pure.

A range (low, high) names the leaves low <= index < high; proofs are first worked out as ranges, then hashed, so that
the same code serves a list of leaves and a log of stored tiles.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ledger.errors import ProofInvalid

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """A tree that only grows: the roots of its perfect subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def add(self, leaf: bytes) -> None:
        """leaf: a leaf hash, or the hash of any perfect subtree when all that are added have the same height."""
        merged = leaf
        position = self.size
        while position & 1:
            merged = node_hash(self.peaks.pop(), merged)
            position >>= 1
        self.peaks.append(merged)
        self.size += 1

    def root(self) -> bytes:
        return fold_peaks(self.peaks)


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Join the roots of perfect subtrees, largest first, to the root of the whole tree."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_hash(leaves: Iterable[bytes]) -> bytes:
    """leaves: leaf hashes in log order."""
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return what root_hash does, sooner, of a power of two of hashes."""
    sha256, row = hashlib.sha256, hashes
    while len(row) > 1:
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=True)]
    return row[0]


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges whose hashes join one leaf to the root, lowest first. Raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"A log of {size} entries has no entry {index}.")
    low, high = 0, size
    ranges = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """Return the ranges whose hashes show that the old tree is a prefix. Nothing is proven from size 0."""
    if not 0 <= old_size <= size:
        raise IndexError(f"A log of {size} entries never had {old_size}.")
    if old_size == 0:
        return []
    low, high = 0, size
    ranges = []
    while high > old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    # A verifier that holds the old root already has the hash of the range (0, old_size).
    if low > 0:
        ranges.append((low, high))
    return ranges[::-1]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that join one leaf to the root, lowest first.

    leaves: leaf hashes, 32 bytes each, in log order; index: zero-based, below len(leaves).
    Returns at most ceil(log2(len(leaves))) hashes. Raises IndexError. Source: RFC 9162, 2.1.3.
    """
    return [root_hash(leaves[low:high]) for low, high in inclusion_ranges(index, len(leaves))]


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Source: RFC 9162, 2.1.4."""
    return [root_hash(leaves[low:high]) for low, high in consistency_ranges(old_size, len(leaves))]


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One hash of an inclusion proof, joined on its side to what was reached before."""

    sibling: bytes
    is_left: bool
    result: bytes


def inclusion_steps(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> list[ProofStep]:
    """Walk from a leaf hash to the root. Raises ProofInvalid unless the proof has exactly the hashes it needs."""
    if not 0 <= index < size:
        raise ProofInvalid(f"A log of {size} entries has no entry {index}.")
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise ProofInvalid(f"The proof has {len(proof)} hashes; this place in the tree needs {inner + border}.")
    steps = []
    reached = leaf
    for height, sibling in enumerate(proof):
        is_left = height >= inner or bool(index >> height & 1)
        reached = node_hash(sibling, reached) if is_left else node_hash(reached, sibling)
        steps.append(ProofStep(sibling, is_left, reached))
    return steps


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofInvalid."""
    steps = inclusion_steps(leaf, index, size, proof)
    if (steps[-1].result if steps else leaf) != root:
        raise ProofInvalid


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Check that the log only grew. Raises ProofInvalid. Source: RFC 9162, 2.1.4.2."""
    if not 0 < old_size <= size:
        raise ProofInvalid(f"Nothing can be proven from size {old_size} to size {size}.")
    if old_size == size:
        if proof or old_root != root:
            raise ProofInvalid("Two roots of one size must be equal, without a proof.")
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise ProofInvalid("The proof is empty.")
    if _roots_from_consistency(old_size, size, path) != (old_root, root):
        raise ProofInvalid


def _roots_from_consistency(old_size: int, size: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    old_node, node = old_size - 1, size - 1
    while old_node & 1:
        old_node >>= 1
        node >>= 1
    old_reached = reached = path[0]
    for sibling in path[1:]:
        if node == 0:
            raise ProofInvalid("The proof is too long.")
        if old_node & 1 or old_node == node:
            old_reached = node_hash(sibling, old_reached)
            reached = node_hash(sibling, reached)
            while old_node and not old_node & 1:
                old_node >>= 1
                node >>= 1
        else:
            reached = node_hash(reached, sibling)
        old_node >>= 1
        node >>= 1
    if node != 0:
        raise ProofInvalid("The proof is too short.")
    return old_reached, reached


def _split(size: int) -> int:
    """The largest power of two strictly below size."""
    return 1 << ((size - 1).bit_length() - 1)
