"""The log as plain files that any web server or object store can serve."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import LogForked, LogRolledBack
from ledger.models import LogHead
from ledger.notes import TreeHead, VerifierKey, parse_note, verify_note
from ledger.statements import select_tiles
from ledger.tiles import (
    FULL_WIDTH,
    TILE_HEIGHT,
    TileId,
    edge_tiles,
    root_from_tiles,
    tile_path,
    tiles_of_ranges,
)
from ledger.tree_files import BundleId, bundle_bytes, bundle_path, entry_bodies

TILES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Exported:
    """What one export did. size: the entries that the folder holds now; written: the files that are new in it."""

    size: int
    written: int


def export_log(folder: Path, *, note: str, keys: tuple[VerifierKey, ...], also: dict[str, str]) -> Exported:
    """Bring a folder up to a checkpoint; what lies there already is kept. The checkpoint is written last.

    note: a signed checkpoint of the stored log, with what cosignatures there are. also: further small files by name.
    Raises: LogRolledBack, LogForked when the folder holds a checkpoint that this log did not grow from; nothing is
    written then.
    """
    head = _head_of(note, keys)
    if not LogHead.objects.filter(size__gte=head.size).exists():
        raise LogRolledBack(f"The log has less than the {head.size} entries of the checkpoint.")
    refuse_foreign_export(folder, head, keys)
    written = sum(_write(folder, name, content) for name, content in _files(folder, head.size))
    for name, text in {**also, "checkpoint": note}.items():
        _replace(folder / name, text.encode())
    return Exported(head.size, written)


def exported_head(folder: Path, keys: tuple[VerifierKey, ...]) -> TreeHead | None:
    """Return what the folder's own checkpoint says, None when it has none. Raises LedgerError."""
    try:
        note = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        return None
    return _head_of(note, keys)


def refuse_foreign_export(folder: Path, head: TreeHead, keys: tuple[VerifierKey, ...]) -> None:
    """Raises: LogRolledBack, LogForked, NoteMalformed, NoteUnverified."""
    before = exported_head(folder, keys)
    if before is None:
        return
    if before.size > head.size:
        raise LogRolledBack(f"The folder holds {before.size} entries of this log, and the log has only {head.size}.")
    if before.size and stored_root(before.size) != before.root_hash:
        raise LogForked(f"The folder's checkpoint of size {before.size} has another root than this log had then.")


def stored_root(size: int) -> bytes:
    """Return the root that the stored tiles give at a size. Raises TileMissing."""
    tiles = select_tiles(sorted(tiles_of_ranges([(0, size)], size)))
    return root_from_tiles(size, tiles.__getitem__)


def _head_of(note: bytes | str, keys: tuple[VerifierKey, ...]) -> TreeHead:
    parsed = parse_note(note)
    verify_note(parsed, keys)
    return TreeHead.parse(parsed.text)


def _files(folder: Path, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield the files that the folder lacks: bundles first, so that no tile names an entry that is not there."""
    for number in range(size // FULL_WIDTH):
        if not (folder / (name := bundle_path(BundleId(number, FULL_WIDTH)))).exists():
            yield name, bundle_bytes(entry_bodies(number * FULL_WIDTH, FULL_WIDTH))
    if width := size % FULL_WIDTH:
        number = size // FULL_WIDTH
        yield bundle_path(BundleId(number, width)), bundle_bytes(entry_bodies(number * FULL_WIDTH, width))
    level = 0
    while count := size >> TILE_HEIGHT * (level + 1):
        yield from _full_tiles(folder, level, count)
        level += 1
    for tile, hashes in select_tiles(edge_tiles(size)).items():
        yield tile_path(tile), hashes


def _full_tiles(folder: Path, level: int, count: int) -> Iterator[tuple[str, bytes]]:
    lacking = [n for n in range(count) if not (folder / tile_path(TileId(level, n, FULL_WIDTH))).exists()]
    for start in range(0, len(lacking), TILES_AT_ONCE):
        wanted = [TileId(level, number, FULL_WIDTH) for number in lacking[start : start + TILES_AT_ONCE]]
        for tile, hashes in select_tiles(wanted).items():
            yield tile_path(tile), hashes


def _write(folder: Path, name: str, content: bytes) -> bool:
    """Write a file that never changes; say whether it is new."""
    path = folder / name
    if path.exists():
        if path.read_bytes() != content:
            raise LogForked(f"{name} in the folder is not what the log holds.")
        return False
    _replace(path, content)
    return True


def _replace(path: Path, content: bytes) -> None:
    """A reader sees the whole file or none, also after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with draft.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
