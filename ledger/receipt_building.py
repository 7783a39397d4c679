"""Receipts out of the stored log: from the entry's stored bytes only, and never another one once it is final."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from ledger.errors import LedgerError, LogDamaged, ReceiptMalformed
from ledger.models import Entry, FinalCheckpoint, LogHead, StoredReceipt
from ledger.notes import TreeHead, parse_note
from ledger.proofs import prove_inclusion
from ledger.receipts import Receipt, verify_receipt
from ledger.trust import MOST_LOOKED_AT, is_proven_final, log_policy


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
    covering = FinalCheckpoint.objects.filter(size__gt=entry.pk).order_by("size")
    final = next((found for found in covering[:MOST_LOOKED_AT] if is_proven_final(found)), None)
    if final is None:
        return _build(entry.pk, LogHead.objects.get(pk=1).note)
    fresh = StoredReceipt(index=entry.pk, text=_build(entry.pk, final.note), frozen_at=at)
    # Callers at the same time may have found different checkpoints: the first one that is kept is everybody's.
    StoredReceipt.objects.bulk_create([fresh], ignore_conflicts=True)
    return _stored_text(entry.pk) or fresh.text


def _stored_text(index: int) -> str | None:
    """Return the receipt that is kept, which must still lead to a checkpoint of this log. Raises LogDamaged."""
    text = StoredReceipt.objects.filter(pk=index).values_list("text", flat=True).first()
    if text is not None:
        with _damage(index):
            _verify(Receipt.parse(text), index)
    return text


def _build(index: int, checkpoint: str) -> str:
    with _damage(index):
        size = TreeHead.parse(parse_note(checkpoint).text).size
        receipt = Receipt(index, tuple(prove_inclusion(index, size)), checkpoint, _body(index))
        _verify(receipt, index)
        return receipt.text()


def _verify(receipt: Receipt, index: int) -> None:
    if receipt.index != index:
        raise ReceiptMalformed("It is the receipt of another entry.")
    verify_receipt(receipt, entry=_body(index), policy=log_policy())


def _body(index: int) -> bytes:
    """The row is read again: what a caller holds may be another record that was submitted twice."""
    return bytes(Entry.objects.values_list("body", flat=True).get(pk=index))


@contextmanager
def _damage(index: int) -> Iterator[None]:
    try:
        yield
    except (LedgerError, IndexError) as error:
        raise LogDamaged(f"No receipt can be given for entry {index}: {error}") from error
