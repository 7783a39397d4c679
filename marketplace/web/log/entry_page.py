"""What one entry's page shows besides its bytes: how far it is, its proof, and who signed the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ledger.errors import LedgerError
from ledger.inspection import Finding, inspect_entry
from ledger.models import Entry, FinalCheckpoint, LogHead
from ledger.notes import parse_note
from ledger.policy import LogPolicy
from ledger.receipt_building import receipt_for
from ledger.receipts import Receipt, VerifiedReceipt, verify_receipt, witness_times
from ledger.services import final_size, log_policy, shown_checkpoint
from marketplace.web.seals import SealState


@dataclass(frozen=True, slots=True)
class Signature:
    """One line under a checkpoint that holds. cosigned_at: the witness's clock; the log's own line has no time."""

    who: str
    key_name: str
    key_id: bytes
    cosigned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ShownProof:
    """note: the checkpoint that the receipt leads to, with the cosignatures that it has by now."""

    receipt: Receipt
    verified: VerifiedReceipt
    note: str
    signatures: list[Signature]
    silent: list[str]


def entry_context(entry: Entry, at: datetime) -> dict[str, Any]:
    inspection = inspect_entry(entry)
    is_final = entry.index < final_size()
    proof = None
    try:
        proof = shown_proof(entry, at, is_final=is_final)
    except LedgerError as error:
        inspection.findings.append(Finding(False, str(error)))
    size = LogHead.objects.values_list("size", flat=True).get(pk=1)
    state: SealState = "broken" if not inspection.is_good else "final" if is_final else "signed"
    return {
        "entry": entry,
        "inspection": inspection,
        "proof": proof,
        "state": state,
        "steps": entry_steps(entry, proof, state),
        "previous_index": entry.index - 1 if entry.index else None,
        "next_index": entry.index + 1 if entry.index + 1 < size else None,
    }


def shown_proof(entry: Entry, at: datetime, *, is_final: bool) -> ShownProof:
    """Return the proof of the receipt that can be downloaded, checked again. Raises LedgerError."""
    policy = log_policy()
    receipt = Receipt.parse(receipt_for(entry, at=at))
    verified = verify_receipt(receipt, entry=bytes(entry.body), policy=policy)
    note = receipt.checkpoint if is_final else shown_checkpoint(receipt.checkpoint)
    signatures = signatures_of(note, policy)
    signed = {signature.key_id for signature in signatures}
    silent = [witness.name for witness in policy.witnesses if witness.key.key_id not in signed]
    return ShownProof(receipt, verified, note, signatures, silent)


def signatures_of(text: str, policy: LogPolicy) -> list[Signature]:
    """Return the lines of known keys, the log's first. Raises NoteUnverified when one of them fails."""
    note = parse_note(text)
    checked = policy.check(note)
    names = {witness.key: witness.name for witness in policy.witnesses}
    seen = witness_times(note, checked.witness_keys)
    return [
        *(Signature("The log", key.name, key.key_id) for key in checked.log_keys),
        *(
            Signature(names[time.key], time.key.name, time.key.key_id, datetime.fromtimestamp(time.at_seconds, UTC))
            for time in seen
        ),
    ]


def entry_steps(entry: Entry, proof: ShownProof | None, state: SealState) -> list[dict[str, Any]]:
    """Recorded, signed, final: the rows of the Steps component. A broken entry has none."""
    if proof is None or state == "broken":
        return []
    size = proof.verified.head.size
    covered = "1 entry" if size == 1 else f"{size:,} entries"
    return [
        {"title": "Recorded", "note": f"As entry {entry.index:,}.", "state": "done", "at": entry.committed_at},
        {"title": "Signed by the log", "note": f"In a checkpoint of {covered}.", "state": "done"},
        final_step(entry, proof, state),
    ]


def final_step(entry: Entry, proof: ShownProof, state: SealState) -> dict[str, Any]:
    witnesses = [signature.who for signature in proof.signatures if signature.cosigned_at]
    seen_by = f"Cosigned by {', '.join(witnesses)}." if witnesses else "No witness has cosigned it yet."
    if state != "final":
        return {"title": "Not final yet", "note": seen_by, "state": "now"}
    final = FinalCheckpoint.objects.filter(size=proof.verified.head.size).values_list("final_at", flat=True).first()
    return {"title": "Final", "note": seen_by, "state": "done", "at": final}
