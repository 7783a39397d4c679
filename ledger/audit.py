"""Recompute the whole log from the entries' bytes and compare it with everything that is stored.

The log only grows: below a size that was signed no row ever changes. So the head that is read first is the snapshot,
and the walk to it reads range by range, without a transaction that would hold back the database for hours.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter
from types import TracebackType

from django.db import connection

from ledger.audit_checkpoints import SignatureCheck
from ledger.audit_entries import KEY_ROTATED, Examined
from ledger.audit_kept import KeptWalk
from ledger.audit_reading import EntryReading
from ledger.audit_report import AuditReport, Finding
from ledger.audit_rows import Link, SignedState, read_checkpoints, read_tiles
from ledger.audit_tree import TileTree
from ledger.models import Checkpoint, Entry, FinalCheckpoint, LogHead
from ledger.tiles import FULL_WIDTH, HASH_SIZE, TILE_HEIGHT, TileId, tile_path, tile_root

__all__ = ["AuditReport", "Finding", "LogAudit", "verify_log"]

_STEP = FULL_WIDTH * HASH_SIZE
_HIGHEST_LEVEL = 7


def verify_log() -> AuditReport:
    """Check every entry, tile and checkpoint against each other, up to the head that there is now.

    The entries' bytes are the ground: leaf hashes, tiles, roots and signatures are recomputed from them.
    """
    with LogAudit(LogHead.objects.get(pk=1)) as audit:
        while not audit.is_at_end:
            audit.walk()
        return audit.finish()


class LogAudit:
    """One walk to a head that is read once. It goes on from a tree that an earlier walk had reached."""

    def __init__(
        self,
        head: LogHead,
        tree: TileTree | None = None,
        report: AuditReport | None = None,
        kept: KeptWalk | None = None,
    ) -> None:
        self.head = head
        self.tree = tree or TileTree()
        self.report = report or AuditReport(head.size, bytes(head.root_hash))
        self.kept = kept or KeptWalk()
        self.signatures = SignatureCheck()
        self.position = self.tree.position
        self.root = self.tree.root_at(0)
        self.reading = EntryReading(self.position, head.size)
        earlier = Entry.objects.filter(kind=KEY_ROTATED, index__lt=self.position).order_by("index")
        for entry in earlier:
            self.signatures.expect_key(entry.index, bytes(entry.body))

    def __enter__(self) -> LogAudit:
        if not connection.in_atomic_block:
            self.reading.begin_readers(own_link())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reading.close()

    @property
    def is_at_end(self) -> bool:
        return self.kept.is_at_end and self.position >= self.head.size

    def walk(self) -> None:
        """Go one step on: first through what is kept beside the log, then through the log."""
        if self.kept.is_at_end:
            self.walk_chunk()
        else:
            self.kept.walk_page(self.signatures, self.report)

    def walk_chunk(self) -> None:
        """Check the next 4,096 entries and all that is signed or stored about them."""
        start, end = self.position, self.reading.end_of(self.position)
        entries = self._take_entries(start)
        leaves, signed = entries.leaves, read_checkpoints(own_link(), start, end)
        self._check_times(entries, signed)
        sizes = [checkpoint.size for checkpoint in signed if checkpoint.size <= end]
        if start == 0:
            self._check_notes(0, notes_between(-1, 0))
        notes = notes_between(start, end)
        roots = bytearray()
        for first in range(start, end, FULL_WIDTH):
            last = min(first + FULL_WIDTH, end)
            root = self.tree.add(leaves[(first - start) * HASH_SIZE : (last - start) * HASH_SIZE])
            covered = bisect_right(notes, last, key=attrgetter("size"))
            self._check_notes(first, notes[:covered])
            del notes[:covered]
            self.root = self.tree.root_at(last - first)
            if root:
                self.tree.close_tile()
                roots += root
        self._compare_tiles(0, start // FULL_WIDTH, leaves, {*sizes})
        self._carry_up(bytes(roots))
        self.position = end

    def finish(self) -> AuditReport:
        """Check what only the end tells: the head, the right edge, and that nothing lies beyond."""
        if self.head.size == 0:
            self._check_notes(0, notes_between(-1, 0))
        self._check_head()
        self._check_beyond()
        for level, hashes in enumerate(self.tree.carry, 1):
            self._compare_tiles(level, self.tree.number(level), hashes)
        for level in range(_HIGHEST_LEVEL + 1):
            self._check_edge(level)
        return self.report

    def _take_entries(self, start: int) -> Examined:
        entries = self.reading.take(start, own_link())
        self.report.entry_count += len(entries.indexes)
        for index, sentence in entries.findings:
            self._add_entry(index, sentence)
        for index, body in entries.rotations:
            self.signatures.expect_key(index, body)
        return entries

    def _check_times(self, entries: Examined, signed: list[SignedState]) -> None:
        """All entries of a batch carry the moment of the checkpoint that was signed with them."""
        begin = 0
        for checkpoint in signed:
            end = bisect_left(entries.indexes, checkpoint.size, begin)
            times = entries.times[begin:end]
            if times and {*times} != {checkpoint.signed_at}:
                self._add_times(checkpoint, entries.indexes[begin:end], times)
            begin = end

    def _add_times(self, checkpoint: SignedState, indexes: Sequence[int], times: Sequence[int]) -> None:
        """Where all entries agree it is the checkpoint that differs; of one entry nobody can say which of them."""
        agree = len({*times}) == 1
        if agree:
            place = f"checkpoint of size {checkpoint.size}"
            self.report.add("checkpoint", place, "It has not the time of the entries that it first covers.")
        if len(times) == 1 or not agree:
            index = next(index for index, at in zip(indexes, times, strict=True) if at != checkpoint.signed_at)
            self._add_entry(index, "It has not the time of the checkpoint that first covers it.")

    def _check_notes(self, first: int, notes: Sequence[Checkpoint | FinalCheckpoint]) -> None:
        """Check what was signed at sizes that end in the tile which begins at first; it was added just now."""
        for note in notes:
            root = self.tree.root_at(note.size - first)
            if isinstance(note, Checkpoint):
                self.report.checkpoint_count += 1
                subject, fault = "checkpoint", self.signatures.fault_of_checkpoint(note, root)
            else:
                subject = "final checkpoint"
                fault = self.signatures.fault_of_final(note.note, note.size, root)
            if fault:
                self.report.add(subject, f"{subject} of size {note.size}", fault)

    def _compare_tiles(self, level: int, first: int, hashes: bytes, signed: set[int] | None = None) -> None:
        """Compare all stored tiles over these recomputed hashes. signed: the sizes that were, for the lowest level."""
        count = -(-len(hashes) // _STEP)
        full = set()
        for tile, stored in read_tiles(own_link(), level, first, first + count):
            start = (tile.number - first) * _STEP
            if tile.width * HASH_SIZE > len(hashes) - start:
                # It came after the head that is audited; what no signature covers is looked for at the end.
                continue
            self.report.tile_count += 1
            if tile.width == FULL_WIDTH:
                full.add(tile.number)
            size = tile.number * FULL_WIDTH + tile.width
            if stored != hashes[start : start + _STEP][: tile.width * HASH_SIZE]:
                self.report.add("tile", tile_path(tile), "Its hashes are not those of the entries below it.")
            elif signed is not None and tile.width < FULL_WIDTH and size not in signed:
                self.report.add("checkpoint", f"checkpoint of size {size}", "It is missing, but its tile is stored.")
        for number in range(first, first + len(hashes) // _STEP):
            if number not in full:
                self.report.add("tile", tile_path(TileId(level, number, FULL_WIDTH)), "It is missing.")

    def _carry_up(self, roots: bytes) -> None:
        level = 1
        while roots:
            hashes = self.tree.carry_up(level, roots)
            whole = len(hashes) // _STEP * _STEP
            if whole:
                self._compare_tiles(level, self.tree.number(level), hashes[:whole])
            self.tree.keep(level, hashes[whole:])
            roots = b"".join(tile_root(hashes[start : start + _STEP]) for start in range(0, whole, _STEP))
            level += 1

    def _check_head(self) -> None:
        place = f"head of size {self.head.size}"
        if self.root != self.report.root_hash:
            self.report.add("head", place, "Its root is not the root of the entries.")
        stored = Checkpoint.objects.filter(size=self.head.size).first()
        if stored is None:
            if self.head.size or self.head.note:
                self.report.add("head", place, "No checkpoint is stored for it.")
        elif (stored.note, stored.signed_at) != (self.head.note, self.head.updated_at):
            self.report.add("head", place, "It is not what its checkpoint says.")

    def _check_beyond(self) -> None:
        """Nothing may be stored that no signature covers. The head is the one of now: the log may have grown."""
        with connection.cursor() as cursor:
            cursor.execute(_BEYOND)
            for subject, number, level, width, size in cursor.fetchall():
                places = {"tile": tile_path(TileId(level, number, width)), "entry": f"entry {number}"}
                place = places.get(subject, f"{subject} of size {number}")
                self.report.add(subject, place, f"It lies beyond the signed size of {size}.")

    def _check_edge(self, level: int) -> None:
        """The partial tile at the right edge is kept for every size that was signed."""
        number = (self.head.size >> TILE_HEIGHT * level) // FULL_WIDTH
        with connection.cursor() as cursor:
            cursor.execute(_EDGE, {"level": level, "number": number, "size": self.head.size})
            for (width,) in cursor.fetchall():
                self.report.add("tile", tile_path(TileId(level, number, width)), "It is missing.")

    def _add_entry(self, index: int, sentence: str) -> None:
        self.report.add("entry", f"entry {index}", sentence)


def own_link() -> Link:
    connection.ensure_connection()
    link: Link = connection.connection
    return link


def notes_between(low: int, high: int) -> list[Checkpoint | FinalCheckpoint]:
    """Return what was signed and what became final at the sizes low < size <= high, by size."""
    span = {"size__gt": low, "size__lte": high}
    notes: list[Checkpoint | FinalCheckpoint] = [
        *Checkpoint.objects.filter(**span),
        *FinalCheckpoint.objects.filter(**span),
    ]
    return sorted(notes, key=attrgetter("size"))


_BEYOND = """
    (SELECT 'entry', entry.index, 0, 0, size FROM ledger_loghead, LATERAL (
        SELECT index FROM ledger_entry WHERE index >= size ORDER BY index LIMIT 1) entry)
    UNION ALL
    (SELECT 'checkpoint', later.size, 0, 0, head.size FROM ledger_loghead head, LATERAL (
        SELECT size FROM ledger_checkpoint WHERE size > head.size ORDER BY size LIMIT 1) later)
    UNION ALL
    (SELECT 'final checkpoint', later.size, 0, 0, head.size FROM ledger_loghead head, LATERAL (
        SELECT size FROM ledger_finalcheckpoint WHERE size > head.size ORDER BY size LIMIT 1) later)
    UNION ALL
    (SELECT 'tile', number, level, width, size FROM ledger_tile, ledger_loghead
        WHERE number * 256 + width > (size >> (8 * level)) ORDER BY level, number, width LIMIT 1)
"""
_EDGE = """
    SELECT DISTINCT (size >> (8 * %(level)s)) - %(number)s * 256 AS width FROM ledger_checkpoint
    WHERE size <= %(size)s AND size >= (%(number)s * 256) << (8 * %(level)s)
        AND (size >> (8 * %(level)s)) > %(number)s * 256
    EXCEPT SELECT width FROM ledger_tile WHERE level = %(level)s AND number = %(number)s
    ORDER BY width
"""
