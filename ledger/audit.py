"""Recompute the whole log from the entries' bytes and compare it with everything that is stored."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from django.db import connection, transaction

from ledger.entries import read_head
from ledger.errors import EntryError, LedgerError
from ledger.merkle import Frontier, leaf_hash
from ledger.models import Checkpoint, Entry, LogHead, Tile
from ledger.notes import TreeHead, VerifierKey, parse_note, verify_note
from ledger.signing import log_verifier_keys
from ledger.tiles import FULL_WIDTH, HASH_SIZE, TILE_HEIGHT, TileId, tile_path, tile_root

CHUNK = 16 * FULL_WIDTH
MOST_FINDINGS = 100
NO_HASH = bytes(HASH_SIZE)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be. subject: entry, tile, checkpoint or head."""

    subject: str
    place: str
    sentence: str


@dataclass
class AuditReport:
    """What was checked, and the first things that were found wrong, in log order within each subject."""

    size: int
    root_hash: bytes
    entry_count: int = 0
    tile_count: int = 0
    checkpoint_count: int = 0
    finding_count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.finding_count == 0

    @property
    def first_findings(self) -> list[Finding]:
        """The first of each subject."""
        first: dict[str, Finding] = {}
        for finding in self.findings:
            first.setdefault(finding.subject, finding)
        return list(first.values())

    def add(self, subject: str, place: str, sentence: str) -> None:
        self.finding_count += 1
        is_first = all(finding.subject != subject for finding in self.findings)
        if is_first or len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(subject, place, sentence))


def verify_log() -> AuditReport:
    """Check every entry, tile and checkpoint against each other, in one snapshot of the database.

    The entries' bytes are the ground: leaf hashes, tiles, roots and signatures are recomputed from them.
    """
    with _snapshot():
        head = LogHead.objects.get(pk=1)
        audit = _Audit(head, log_verifier_keys())
        audit.walk()
        return audit.report


@contextmanager
def _snapshot() -> Generator[None]:
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


class _Audit:
    def __init__(self, head: LogHead, keys: tuple[VerifierKey, ...]) -> None:
        self.head = head
        self.keys = keys
        self.report = AuditReport(head.size, bytes(head.root_hash))
        self.tree = Frontier()
        self.signed_sizes: list[int] = []

    def walk(self) -> None:
        roots = bytearray()
        self._check_checkpoints(0, 0)
        for start in range(0, self.head.size, CHUNK):
            roots += self._walk_chunk(start, min(start + CHUNK, self.head.size))
        self._check_head()
        self._check_beyond()
        self._check_edge(0)
        level = 1
        while self.head.size >> TILE_HEIGHT * level:
            roots = self._check_tiles(level, 0, bytes(roots))
            self._check_edge(level)
            level += 1

    def _walk_chunk(self, start: int, end: int) -> bytearray:
        """Check the entries start <= index < end and all that is signed or stored about them alone."""
        leaves = self._recompute_leaves(start, end)
        signed = iter(Checkpoint.objects.filter(size__gt=start, size__lte=end).order_by("size"))
        checkpoint = next(signed, None)
        for leaf in leaves:
            self.tree.add(leaf)
            if checkpoint is not None and checkpoint.size == self.tree.size:
                self._check_checkpoint(checkpoint)
                checkpoint = next(signed, None)
        return self._check_tiles(0, start // FULL_WIDTH, b"".join(leaves))

    def _recompute_leaves(self, start: int, end: int) -> list[bytes]:
        """A missing entry counts as zeros, so that everything after it is still compared."""
        leaves = [NO_HASH] * (end - start)
        expected = start
        for entry in Entry.objects.filter(index__gte=start, index__lt=end).order_by("index").iterator(CHUNK):
            for missing in range(expected, entry.index):
                self.report.add("entry", f"entry {missing}", "It is missing.")
            leaves[entry.index - start] = self._check_entry(entry)
            expected = entry.index + 1
        for missing in range(expected, end):
            self.report.add("entry", f"entry {missing}", "It is missing.")
        return leaves

    def _check_entry(self, entry: Entry) -> bytes:
        body = bytes(entry.body)
        leaf = leaf_hash(body)
        place = f"entry {entry.index}"
        self.report.entry_count += 1
        if leaf != bytes(entry.leaf_hash):
            self.report.add("entry", place, "The stored leaf hash is not the hash of its bytes.")
        try:
            content = read_head(body)
        except EntryError as error:
            self.report.add("entry", place, f"Its bytes are not a canonical entry: {error}")
            return leaf
        columns: tuple[UUID, str, object, list[str]] = (entry.entry_id, entry.kind, entry.at, list(entry.refs))
        if columns != (content.entry_id, content.kind, content.at, list(content.refs)):
            self.report.add("entry", place, "Its searchable columns do not repeat what its bytes say.")
        return leaf

    def _check_checkpoints(self, low: int, high: int) -> None:
        for checkpoint in Checkpoint.objects.filter(size__gte=low, size__lte=high):
            self._check_checkpoint(checkpoint)

    def _check_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Called when the recomputed tree has exactly the checkpoint's size."""
        self.report.checkpoint_count += 1
        self.signed_sizes.append(checkpoint.size)
        place = f"checkpoint of size {checkpoint.size}"
        root = self.tree.root()
        if bytes(checkpoint.root_hash) != root:
            self.report.add("checkpoint", place, "Its root is not the root of the entries that it covers.")
        try:
            note = parse_note(checkpoint.note)
            signed = TreeHead.parse(note.text)
            verify_note(note, self.keys)
        except LedgerError as error:
            self.report.add("checkpoint", place, str(error))
            return
        if signed != TreeHead(self.keys[0].name, checkpoint.size, root):
            self.report.add("checkpoint", place, "What was signed is not this size and root.")

    def _check_head(self) -> None:
        place = f"head of size {self.head.size}"
        if self.tree.root() != self.report.root_hash:
            self.report.add("head", place, "Its root is not the root of the entries.")
        newest = Checkpoint.objects.order_by("-size").first()
        if newest is None:
            if self.head.size or self.head.note:
                self.report.add("head", place, "No checkpoint is stored for it.")
        elif (newest.size, newest.note) != (self.head.size, self.head.note):
            self.report.add("head", place, "It is not the newest checkpoint.")

    def _check_beyond(self) -> None:
        """Nothing may be stored that no signature covers."""
        size = self.head.size
        beyond = Entry.objects.filter(index__gte=size).order_by("index").values_list("index", flat=True).first()
        if beyond is not None:
            self.report.add("entry", f"entry {beyond}", f"It lies beyond the signed size of {size}.")
        unsigned = Checkpoint.objects.filter(size__gt=size).order_by("size").values_list("size", flat=True).first()
        if unsigned is not None:
            self.report.add("checkpoint", f"checkpoint of size {unsigned}", f"The log has {size} entries only.")
        for tile in Tile.objects.raw(_TILE_BEYOND, [size]):
            self.report.add("tile", tile_path(_id_of(tile)), f"It reaches beyond the signed size of {size}.")

    def _check_tiles(self, level: int, first: int, hashes: bytes) -> bytearray:
        """Compare all stored tiles over these recomputed hashes; return the roots of the full ones."""
        step = FULL_WIDTH * HASH_SIZE
        count = -(-len(hashes) // step)
        pieces = {first + offset: hashes[offset * step : (offset + 1) * step] for offset in range(count)}
        stored = Tile.objects.filter(level=level, number__gte=first, number__lt=first + count)
        full = set()
        for tile in stored.order_by("number", "width").iterator(256):
            self.report.tile_count += 1
            if tile.width == FULL_WIDTH:
                full.add(tile.number)
            if bytes(tile.hashes) != pieces[tile.number][: tile.width * HASH_SIZE]:
                self.report.add("tile", tile_path(_id_of(tile)), "Its hashes are not those of the entries below it.")
        roots = bytearray()
        for number, piece in pieces.items():
            if len(piece) == step:
                roots += tile_root(piece)
                if number not in full:
                    self.report.add("tile", tile_path(TileId(level, number, FULL_WIDTH)), "It is missing.")
        return roots

    def _check_edge(self, level: int) -> None:
        """The partial tile at the right edge is kept for every size that was signed."""
        number = (self.head.size >> TILE_HEIGHT * level) // FULL_WIDTH
        widths = {(size >> TILE_HEIGHT * level) - number * FULL_WIDTH for size in self.signed_sizes}
        stored = set(Tile.objects.filter(level=level, number=number).values_list("width", flat=True))
        for width in sorted(_positive(widths) - stored):
            self.report.add("tile", tile_path(TileId(level, number, width)), "It is missing.")


_TILE_BEYOND = """
    SELECT id, level, number, width FROM ledger_tile
    WHERE number * 256 + width > (%s::bigint >> (8 * level))
    ORDER BY level, number, width LIMIT 1
"""


def _id_of(tile: Tile) -> TileId:
    return TileId(tile.level, tile.number, tile.width)


def _positive(widths: Iterable[int]) -> set[int]:
    return {width for width in widths if width > 0}
