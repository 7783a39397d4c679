"""Whether two checkpoints can both be true of one log that only grows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.errors import LedgerError
from ledger.merkle import consistency_ranges, verify_consistency
from ledger.models import LogHead
from ledger.notes import TreeHead, parse_note, verify_note
from ledger.proofs import prove_consistency
from ledger.signing import log_verifier_keys


@dataclass(frozen=True, slots=True)
class ProofLine:
    """One hash of a consistency proof: of the entries low <= index < high."""

    low: int
    last: int
    hash: bytes


@dataclass
class Comparison:
    """contradiction: empty when the larger one only added to the smaller one."""

    older: TreeHead | None = None
    newer: TreeHead | None = None
    sentences: list[str] = field(default_factory=list)
    proof: list[ProofLine] = field(default_factory=list)
    contradiction: str = ""


def compare_checkpoints(first: str, second: str) -> Comparison:
    """first, second: signed notes, stored ones or pasted. What fails is told in the contradiction, never raised."""
    comparison = Comparison()
    try:
        heads = [signed_head(note) for note in (first, second)]
        comparison.older, comparison.newer = sorted(heads, key=lambda head: head.size)
        comparison.sentences.append("The log's key signed both.")
        _compare(comparison, comparison.older, comparison.newer)
    except (LedgerError, IndexError) as error:
        comparison.contradiction = str(error)
    return comparison


def signed_head(text: str) -> TreeHead:
    """Return what a note says that this log signed. Raises NoteMalformed, NoteUnverified."""
    note = parse_note(text)
    verify_note(note, log_verifier_keys())
    return TreeHead.parse(note.text)


def _compare(comparison: Comparison, older: TreeHead, newer: TreeHead) -> None:
    if older.origin != newer.origin:
        raise LedgerError("They name two logs.")
    if older.size == newer.size:
        if older.root_hash != newer.root_hash:
            raise LedgerError(f"One log has two roots at size {older.size}: this is a fork, and both are signed.")
        comparison.sentences.append("They have the same size and the same root.")
        return
    if older.size == 0:
        comparison.sentences.append("The smaller one is of the empty log: everything follows it, nothing is proven.")
        return
    stored = LogHead.objects.get(pk=1).size
    if newer.size > stored:
        raise LedgerError(f"The larger one has {newer.size} entries and this log has {stored}: nothing can be proven.")
    proof = prove_consistency(older.size, newer.size)
    spans = consistency_ranges(older.size, newer.size)
    comparison.proof = [ProofLine(low, high - 1, each) for (low, high), each in zip(spans, proof, strict=True)]
    verify_consistency(older.size, newer.size, proof, older.root_hash, newer.root_hash)
    comparison.sentences.append(
        f"The {len(proof)} hashes below give both roots: the log of {newer.size} entries begins with the same"
        f" {older.size} entries."
    )
