"""The newest checkpoint as anybody may read it: with the cosignatures that verify, and with no other line."""

from __future__ import annotations

from functools import lru_cache

from ledger.errors import LedgerError
from ledger.models import Cosignature
from ledger.notes import TreeHead, VerifierKey, parse_note, verify_note
from ledger.trust import log_policy


def shown_checkpoint(note: str) -> str:
    """note: as the log signed it. A stored line is nobody's until the key of a witness vouches for it."""
    text = parse_note(note).text
    try:
        keys = tuple(witness.key for witness in log_policy().witnesses)
    except LedgerError:
        # A policy that cannot be read makes no cosignature good; the log's own signature stands.
        return note
    stored = Cosignature.objects.filter(size=TreeHead.parse(text).size).order_by("cosigned_at", "pk")
    found = {_signed_by(text, line, keys): line for line in stored.values_list("line", flat=True)}
    found.pop(None, None)
    return note + "".join(found.values())


@lru_cache(maxsize=1024)
def _signed_by(text: str, line: str, keys: tuple[VerifierKey, ...]) -> VerifierKey | None:
    """Each line is verified once, however often the checkpoint is read."""
    try:
        note = parse_note(f"{text}\n{line}")
        (key,) = verify_note(note, keys)
    except (LedgerError, ValueError):
        return None
    return key if note.text == text and len(note.signatures) == 1 else None
