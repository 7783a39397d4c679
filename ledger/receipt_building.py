"""Receipts out of the stored log: from the entry's stored bytes only, and never another one once it is final."""

from __future__ import annotations

from datetime import datetime

from ledger.errors import LedgerError, LogDamaged
from ledger.models import Entry, FinalCheckpoint, LogHead, StoredReceipt
from ledger.notes import TreeHead, parse_note
from ledger.proofs import prove_inclusion
from ledger.receipts import Receipt, verify_receipt
from ledger.trust import log_policy


def receipt_for(entry: Entry, *, at: datetime) -> str:
    """Return the receipt of an entry as text (C2SP tlog-proof).

    Once a final checkpoint covers the entry its receipt leads to the smallest such one, is kept, and stays the same
    bytes for ever. Until then it leads to the newest signed checkpoint, without cosignatures, and is not kept.
    at: the moment that a receipt which is kept carries, UTC.
    Raises LogDamaged when what is stored proves nothing; a receipt that does not verify is never handed out.
    """
    stored = _stored_text(entry.pk)
    if stored is not None:
        return stored
    final = FinalCheckpoint.objects.filter(size__gt=entry.pk).order_by("size").first()
    if final is None:
        return _build(entry.pk, LogHead.objects.get(pk=1).note)
    fresh = StoredReceipt(index=entry.pk, text=_build(entry.pk, final.note), frozen_at=at)
    # Callers at the same time may have found different checkpoints: the first one that is kept is everybody's.
    StoredReceipt.objects.bulk_create([fresh], ignore_conflicts=True)
    return StoredReceipt.objects.values_list("text", flat=True).get(pk=entry.pk)


def _stored_text(index: int) -> str | None:
    return StoredReceipt.objects.filter(pk=index).values_list("text", flat=True).first()


def _build(index: int, checkpoint: str) -> str:
    try:
        signed = TreeHead.parse(parse_note(checkpoint).text)
        # The row is read again: what a caller holds may be another record that was submitted twice.
        body = bytes(Entry.objects.values_list("body", flat=True).get(pk=index))
        receipt = Receipt(index, tuple(prove_inclusion(index, signed.size, signed.root_hash)), checkpoint, body)
        verify_receipt(receipt, entry=body, policy=log_policy())
    except (LedgerError, IndexError) as error:
        raise LogDamaged(f"No receipt can be given for entry {index}: {error}") from error
    return receipt.text()
