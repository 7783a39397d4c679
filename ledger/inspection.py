"""One entry looked at closely: its bytes, its leaf and its proof, recomputed instead of believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from ledger import blocking
from ledger.blocking import refusal_of
from ledger.canonical import parse_canonical
from ledger.errors import LedgerError
from ledger.merkle import ProofStep, inclusion_steps, leaf_hash, verify_inclusion
from ledger.models import Checkpoint, Entry, OutboxRow
from ledger.notes import TreeHead, parse_note, verify_note
from ledger.proofs import prove_inclusion
from ledger.sequencer import MOST_AT_ONCE
from ledger.signing import log_verifier_keys

__all__ = ["Finding", "Inspection", "find_blocking_row", "inspect_entry", "refusal_of"]


@dataclass(frozen=True, slots=True)
class Finding:
    is_good: bool
    sentence: str


@dataclass
class Inspection:
    text: str
    pretty: str
    body_hex: str
    leaf_hash: bytes
    checkpoint: Checkpoint | None = None
    steps: list[ProofStep] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return all(finding.is_good for finding in self.findings)


def inspect_entry(entry: Entry) -> Inspection:
    """Check one entry against the newest signed checkpoint. What fails is told in the findings, never raised."""
    body = bytes(entry.body)
    inspection = Inspection(
        text=body.decode(errors="replace"), pretty="", body_hex=body.hex(" "), leaf_hash=leaf_hash(body)
    )
    checks: list[tuple[str, Callable[[], None]]] = [
        ("The bytes are canonical JSON.", lambda: _show_content(inspection, body)),
        ("The stored leaf hash is the hash of the bytes.", lambda: _compare_leaf(inspection, entry)),
        ("The proof leads from the bytes to the newest signed root.", lambda: _prove(inspection, entry)),
    ]
    for sentence, check in checks:
        try:
            check()
        except (LedgerError, IndexError) as error:
            inspection.findings.append(Finding(False, f"Not so: {sentence} {error}"))
        else:
            inspection.findings.append(Finding(True, sentence))
    return inspection


def find_blocking_row() -> OutboxRow | None:
    """Return the waiting record that keeps the next batch out of the log, if there is one."""
    return blocking.find_blocking_row(MOST_AT_ONCE)


def _show_content(inspection: Inspection, body: bytes) -> None:
    inspection.pretty = orjson.dumps(parse_canonical(body), option=orjson.OPT_INDENT_2).decode()


def _compare_leaf(inspection: Inspection, entry: Entry) -> None:
    if inspection.leaf_hash != bytes(entry.leaf_hash):
        raise LedgerError(f"Stored is {bytes(entry.leaf_hash).hex()}.")


def _prove(inspection: Inspection, entry: Entry) -> None:
    checkpoint = Checkpoint.objects.order_by("-size").first()
    if checkpoint is None:
        raise LedgerError("No checkpoint was signed yet.")
    inspection.checkpoint = checkpoint
    note = parse_note(checkpoint.note)
    verify_note(note, log_verifier_keys())
    signed = TreeHead.parse(note.text)
    proof = prove_inclusion(entry.index, signed.size)
    inspection.steps = inclusion_steps(inspection.leaf_hash, entry.index, signed.size, proof)
    verify_inclusion(inspection.leaf_hash, entry.index, signed.size, proof, signed.root_hash)
