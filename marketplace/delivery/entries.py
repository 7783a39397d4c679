"""What the log says about tables. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.merkle import leaf_hash, root_hash


def derived(*, statements: Sequence[str]) -> Mapping[str, Any]:
    """statements: SHA-256, hex, of what was said of files of computed rows; see devices.derivation."""
    return {"statements": list(statements)}


def segments(*, version: int, added: Sequence[bytes], removed: Sequence[bytes]) -> Mapping[str, Any]:
    """version: the table's, when this was said. added, removed: SHA-256 of the files that came and went since before.

    Each list is told by its length and its Merkle root over the hashes as leaves.
    """
    return {
        "version": version,
        "added_count": len(added),
        "added_root": root_hash(map(leaf_hash, added)).hex(),
        "removed_count": len(removed),
        "removed_root": root_hash(map(leaf_hash, removed)).hex(),
    }
