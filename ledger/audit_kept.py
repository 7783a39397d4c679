"""What was kept beside the log, row by row: the witnesses' cosignatures, and the receipts that are frozen.

Both come at any time after the checkpoint that they are about, so they are not walked with the entries: each row is
held against the stored checkpoint of its size, and the walk shows that this is the root of the entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import models

from ledger.audit_checkpoints import SignatureCheck
from ledger.audit_report import AuditReport
from ledger.errors import LedgerError
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.models import Checkpoint, Cosignature, Entry, StoredReceipt
from ledger.notes import TreeHead, parse_note
from ledger.receipts import Receipt

PAGE = 1000
# Rows carry the moment at which the work on them began, and are there somewhat later.
_LATEST_COMMIT = timedelta(hours=1)
Faults = Iterator[tuple[models.Model, str]]
_STAGES = ("cosignature", "receipt")


@dataclass
class KeptWalk:
    """How far the walk over both tables is. since: rows that are older than this ISO time were in an earlier audit."""

    stage: int = 0
    after: int = -1
    since: str = ""

    @classmethod
    def after_run(cls, started_at: datetime | None) -> KeptWalk:
        return cls(since=(started_at - _LATEST_COMMIT).isoformat() if started_at else "")

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def is_at_end(self) -> bool:
        return self.stage == len(_STAGES)

    def walk_page(self, signatures: SignatureCheck, report: AuditReport) -> None:
        """Check the next thousand rows of one table."""
        subject = _STAGES[self.stage]
        if subject == "cosignature":
            self._next(cosignatures := self._cosignatures())
            report.cosignature_count += len(cosignatures)
            faults: Faults = _faults_of_cosignatures(cosignatures, signatures)
        else:
            self._next(receipts := self._receipts())
            report.receipt_count += len(receipts)
            faults = _faults_of_receipts(receipts, signatures)
        for row, fault in faults:
            report.add(subject, str(row), fault)

    def _cosignatures(self) -> list[Cosignature]:
        rows = Cosignature.objects.filter(pk__gt=self.after).order_by("pk")
        return list((rows.filter(received_at__gte=self.since) if self.since else rows)[:PAGE])

    def _receipts(self) -> list[StoredReceipt]:
        rows = StoredReceipt.objects.filter(pk__gt=self.after).order_by("pk")
        return list((rows.filter(frozen_at__gte=self.since) if self.since else rows)[:PAGE])

    def _next(self, rows: Sequence[Cosignature | StoredReceipt]) -> None:
        if len(rows) < PAGE:
            self.stage, self.after = self.stage + 1, -1
        else:
            self.after = rows[-1].pk


def _faults_of_cosignatures(rows: list[Cosignature], signatures: SignatureCheck) -> Faults:
    roots = _signed_roots({row.size for row in rows})
    for row in rows:
        root = roots.get(row.size)
        fault = "No checkpoint of this size is stored." if root is None else signatures.fault_of_cosignature(row, root)
        if fault:
            yield row, fault


def _faults_of_receipts(rows: list[StoredReceipt], signatures: SignatureCheck) -> Faults:
    found = Entry.objects.filter(pk__in=[row.pk for row in rows]).values_list("index", "body")
    bodies = {index: bytes(body) for index, body in found}
    receipts: list[tuple[StoredReceipt, Receipt, TreeHead]] = []
    for row in rows:
        try:
            receipt = Receipt.parse(row.text)
            receipts.append((row, receipt, TreeHead.parse(parse_note(receipt.checkpoint).text)))
        except LedgerError as error:
            yield row, str(error)
    roots = _signed_roots({head.size for _, _, head in receipts})
    # Many receipts lead to one checkpoint: its signatures are checked once.
    faults: dict[str, str] = {}
    for row, receipt, head in receipts:
        root = roots.get(head.size)
        if root is None:
            yield row, f"No checkpoint of the size {head.size}, to which it leads, is stored."
            continue
        if receipt.checkpoint not in faults:
            faults[receipt.checkpoint] = signatures.fault_of_final(receipt.checkpoint, head.size, root)
        if fault := _fault_of_proof(row, receipt, head, bodies.get(row.pk)) or faults[receipt.checkpoint]:
            yield row, fault


def _fault_of_proof(row: StoredReceipt, receipt: Receipt, head: TreeHead, body: bytes | None) -> str:
    if body is None:
        return "There is no such entry."
    if receipt.index != row.pk:
        return f"It is the receipt of entry {receipt.index}."
    if receipt.extra != body:
        return "It does not carry the bytes of its entry."
    try:
        verify_inclusion(leaf_hash(body), receipt.index, head.size, receipt.proof, head.root_hash)
    except (LedgerError, IndexError) as error:
        return str(error)
    return ""


def _signed_roots(sizes: set[int]) -> dict[int, bytes]:
    found = Checkpoint.objects.filter(size__in=sizes).values_list("size", "root_hash")
    return {size: bytes(root) for size, root in found}
