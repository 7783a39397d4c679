"""A receipt that a stranger sent, checked as `python -m ledger.verify` does, and what to say of it."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import LedgerError, NoteUnverified
from ledger.notes import TreeHead, parse_note
from ledger.policy import LogPolicy
from ledger.receipts import Receipt
from ledger.services import log_policy
from ledger.verdicts import CheckFailed, Verdict, check_receipt
from marketplace.web.forms.log import ReceiptForm
from marketplace.web.seals import SealState


@dataclass(frozen=True, slots=True)
class Outcome:
    """other_log: the name of the log whose receipt it is, when that is none of the policy's."""

    verdict: Verdict
    is_our_policy: bool
    failed: CheckFailed | None = None
    other_log: str = ""

    @property
    def state(self) -> SealState:
        if self.failed is not None:
            return "broken"
        return "final" if self.verdict.is_final else "signed"


def check_sent(form: ReceiptForm) -> Outcome:
    """Raises EntryMissing."""
    receipt, own_policy = form.receipt_bytes, form.policy_bytes
    policy = own_policy or log_policy().text().encode()
    verdict = Verdict()
    try:
        check_receipt(
            verdict,
            receipt,
            policy_text=policy,
            entry=form.bytes_of("entry"),
            disclosed=form.bytes_of("disclosure"),
        )
    except CheckFailed as failed:
        other_log = foreign_log(receipt, policy) if isinstance(failed.error, NoteUnverified) else ""
        return Outcome(verdict, not own_policy, failed, other_log)
    return Outcome(verdict, not own_policy)


def foreign_log(receipt: bytes, policy: bytes) -> str:
    """Return the log that a receipt names, if the policy does not know it. Nothing of it is proven."""
    try:
        origin = TreeHead.parse(parse_note(Receipt.parse(receipt).checkpoint).text).origin
        known = {log.key.name for log in LogPolicy.parse(policy).logs}
    except LedgerError:
        return ""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in origin)
    return "" if origin in known else shown[:200]
