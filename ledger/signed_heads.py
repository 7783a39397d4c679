"""Whether the stored head is one that this log's own key signed. The row is only the application's to write; the
signature is not, and nothing is signed on top of a head without one.
"""

from __future__ import annotations

from django.conf import settings

from ledger.errors import LogDamaged, NoteMalformed, NoteUnverified
from ledger.merkle import EMPTY_ROOT
from ledger.models import LogHead
from ledger.notes import TreeHead, parse_note, verify_note
from ledger.signing import log_verifier_keys, sign_checkpoint

# What this process signed or verified last: the note of the next batch is nearly always that one.
_believed: dict[str, tuple[TreeHead, str]] = {}


def tree_head(head: LogHead) -> TreeHead:
    return TreeHead(settings.LEDGER_ORIGIN, head.size, bytes(head.root_hash))


def check_signed(head: LogHead) -> None:
    """Only the empty log may be without a signature. Raises LogDamaged; KeyMalformed, SeedUnusable."""
    stored = tree_head(head)
    if not head.note:
        if (stored.size, stored.root_hash) != (0, EMPTY_ROOT):
            raise LogDamaged(f"The stored head of size {head.size} is not signed. Nothing more is signed.")
        return
    if _believed.get("head") == (stored, head.note):
        return
    try:
        note = parse_note(head.note)
        verify_note(note, log_verifier_keys())
    except (NoteMalformed, NoteUnverified) as error:
        raise LogDamaged(
            f"The stored head of size {head.size} has no valid signature of this log. {error} Nothing more is signed."
        ) from error
    if note.text != stored.text():
        raise LogDamaged(
            f"The stored head of size {head.size} is not the one that its checkpoint was signed for."
            " Nothing more is signed."
        )
    _believed["head"] = stored, head.note


def sign_head(head: LogHead) -> str:
    """Return the signed checkpoint. Raises as log_signers."""
    stored = tree_head(head)
    note = sign_checkpoint(stored.text())
    _believed["head"] = stored, note
    return note
