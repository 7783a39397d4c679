"""The log as files (C2SP tlog-tiles): which bytes lie under which name below the log's address."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ledger.errors import TileMissing
from ledger.models import Entry, LogHead
from ledger.statements import select_tiles
from ledger.tiles import FULL_WIDTH, TileId, tile_at, tile_number, tile_path, tile_place

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
# Beyond it no log grows; a longer number must not reach the database.
_LONGEST_NUMBER = len("x123/x456/x789/x012/345")


class BundleId(NamedTuple):
    """Up to 256 neighbouring entries; partial as the tile of level 0 over them."""

    number: int
    width: int


def bundle_path(bundle: BundleId) -> str:
    return f"tile/entries/{tile_place(bundle.number, bundle.width)}"


def parse_path(path: str) -> TileId | BundleId:
    """Read a name below the log's address; each file has exactly one. Raises TileMissing."""
    match = _PATH.fullmatch(path)
    if match is None or len(match[2]) > _LONGEST_NUMBER:
        raise TileMissing(f"No tile has the name {path}.")
    number, width = tile_number(match[2]), int(match[3] or FULL_WIDTH)
    found = BundleId(number, width) if match[1] == "entries" else TileId(int(match[1]), number, width)
    named = bundle_path(found) if isinstance(found, BundleId) else tile_path(found)
    if named != path or width > FULL_WIDTH:
        raise TileMissing(f"No tile has the name {path}.")
    return found


def file_bytes(wanted: TileId | BundleId) -> bytes:
    """Return a tile's hashes, or a bundle's entries. Raises TileMissing beyond what is signed."""
    level, number, width = (0, *wanted) if isinstance(wanted, BundleId) else wanted
    size = LogHead.objects.values_list("size", flat=True).get(pk=1)
    if tile_at(level, number, size).width < width:
        raise TileMissing(f"A log of {size} entries does not fill {tile_path(TileId(level, number, width))}.")
    if isinstance(wanted, TileId):
        return select_tiles([wanted])[wanted]
    return bundle_bytes(entry_bodies(number * FULL_WIDTH, width))


def entry_bodies(first_index: int, count: int) -> list[bytes]:
    """Return the exact bytes of neighbouring entries. Raises TileMissing when one is not there."""
    rows = Entry.objects.filter(index__gte=first_index, index__lt=first_index + count).order_by("index")
    bodies = [bytes(body) for body in rows.values_list("body", flat=True)]
    if len(bodies) != count:
        raise TileMissing(f"Of the {count} entries from {first_index} on only {len(bodies)} are stored.")
    return bodies


def bundle_bytes(bodies: Iterable[bytes]) -> bytes:
    """Each entry behind its length: two bytes, big-endian."""
    return b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
