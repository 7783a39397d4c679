"""Whether the stored log continues a head that somebody knows: never smaller, never another history."""

from __future__ import annotations

from typing import Any

from ledger.errors import LogForked, LogRolledBack, ProofInvalid, TileMissing
from ledger.merkle import EMPTY_ROOT, verify_consistency
from ledger.models import LogHead
from ledger.notes import TreeHead
from ledger.proofs import prove_consistency


def check_continues(head: LogHead, known: TreeHead, *, who: str) -> None:
    """who: the one that knows it, as the beginning of a sentence. A larger head costs one proof, O(log n).

    Raises: LogRolledBack, LogForked, with the evidence in their details; TileMissing.
    """
    root = bytes(head.root_hash)
    if head.size < known.size:
        raise LogRolledBack(
            f"{who} knows {known.size} entries of this log, and it has only {head.size}: an older state was restored."
            " Nothing more is signed.",
            **_evidence(head, known, who),
        )
    if head.size == known.size:
        is_same = root == known.root_hash
    elif known.size == 0:
        is_same = known.root_hash == EMPTY_ROOT
    else:
        is_same = _is_continued(head, known)
    if not is_same:
        raise LogForked(
            f"{who} knows another history: the first {known.size} entries are not those that were signed. Nothing more"
            " is signed.",
            **_evidence(head, known, who),
        )


def find_contradiction(head: LogHead, known: TreeHead, *, who: str) -> LogRolledBack | LogForked | TileMissing | None:
    """As check_continues, but return it. A log that cannot show its own growth contradicts whoever knows it, too."""
    try:
        check_continues(head, known, who=who)
    except (LogRolledBack, LogForked) as refusal:
        return refusal
    except TileMissing as error:
        sentence = f"{who} knows {known.size} entries of this log, which cannot show that it continues them. {error}"
        return TileMissing(sentence, **_evidence(head, known, who))
    return None


def _is_continued(head: LogHead, known: TreeHead) -> bool:
    proof = prove_consistency(known.size, head.size)
    try:
        verify_consistency(known.size, head.size, proof, known.root_hash, bytes(head.root_hash))
    except ProofInvalid:
        return False
    return True


def _evidence(head: LogHead, known: TreeHead, who: str) -> dict[str, Any]:
    return {
        "known_by": who,
        "known": known.text(),
        "size": head.size,
        "root_hash": bytes(head.root_hash).hex(),
        "checkpoint": head.note,
    }
