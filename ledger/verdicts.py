"""What a check proved and what it did not, in sentences: the same for the command line and for the page. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from ledger.disclosures import Disclosure, read_entry
from ledger.errors import LedgerError, NoteMalformed, NoteUnverified, PolicyMalformed, ProofInvalid, ReceiptMalformed
from ledger.merkle import leaf_hash
from ledger.notes import VerifierKey
from ledger.pack_reading import VerifiedPack
from ledger.policy import LogPolicy
from ledger.receipts import Receipt, VerifiedReceipt, WitnessTime, verify_receipt

Result = TypeVar("Result")
ENTRY, PROVED, NOT_PROVED, NOTE = "ENTRY", "PROVED", "NOT PROVED", "NOTE"
_STEPS: dict[type[LedgerError], str] = {
    ReceiptMalformed: "reading the receipt",
    PolicyMalformed: "reading the policy",
    NoteMalformed: "reading the checkpoint",
    NoteUnverified: "the signatures under the checkpoint",
    ProofInvalid: "the proof from the entry to the root",
}
_FULL_TRUTH = "That what an entry says is true. The log shows that it was recorded, and not changed since."
_TIMES = "The times: an entry's is the market's word, a cosignature's is the clock of its witness."


class CheckFailed(Exception):
    """step: where it failed, in words. Its cause is the LedgerError."""

    def __init__(self, step: str, error: LedgerError) -> None:
        super().__init__(f"{step}: {error}")
        self.step = step
        self.error = error


class EntryMissing(Exception):
    """The receipt does not carry its entry, and none was given."""


@dataclass(frozen=True, slots=True)
class Statement:
    """mark: one of the words above."""

    mark: str
    sentence: str


@dataclass
class Verdict:
    statements: list[Statement] = field(default_factory=list)
    is_final: bool = False
    lacking: str = "signed by the log, not yet seen by enough witnesses"
    receipt: Receipt | None = None
    verified: VerifiedReceipt | None = None
    content: dict[str, Any] = field(default_factory=dict)

    def say(self, mark: str, sentence: str) -> None:
        """Names in receipts and packs come from strangers, so no control character of theirs gets on."""
        shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in sentence)
        self.statements.append(Statement(mark, shown))

    def say_limits(self) -> None:
        self.say(NOT_PROVED, _FULL_TRUTH)
        self.say(NOT_PROVED, _TIMES)


def check_receipt(
    verdict: Verdict, encoded: bytes, *, policy_text: bytes, entry: bytes | None = None, disclosed: bytes | None = None
) -> None:
    """Check a receipt file, and whose handle stands in its entry when a disclosure is given.

    verdict: takes what is found, step by step: where a step fails it holds what was proved before.
    entry: the entry's exact bytes, where the receipt does not carry them.
    Raises: CheckFailed, EntryMissing.
    """
    receipt = take_step(lambda: Receipt.parse(encoded))
    policy = take_step(lambda: LogPolicy.parse(policy_text))
    body = receipt.extra if entry is None else entry
    if not body:
        raise EntryMissing
    content = take_step(lambda: read_entry(body), "reading the entry")
    _say_entry(verdict, content, "from the receipt" if entry is None else "from the file")
    verdict.say(PROVED, f"The entry's {len(body)} bytes have the leaf hash {leaf_hash(body).hex()}.")
    verified = take_step(lambda: verify_receipt(receipt, entry=body, policy=policy))
    _say_receipt(verdict, receipt, verified, policy)
    if disclosed is not None:
        _say_disclosure(verdict, disclosed, content)
    verdict.say_limits()
    verdict.receipt, verdict.verified, verdict.content = receipt, verified, content
    verdict.is_final = verified.is_final


def _say_entry(verdict: Verdict, content: dict[str, Any], source: str) -> None:
    kind, entry_id, at = (content.get(name) for name in ("kind", "id", "at"))
    verdict.say(ENTRY, f"It calls itself {kind}, id {entry_id}, of {at} ({source}).")


def _say_receipt(verdict: Verdict, receipt: Receipt, verified: VerifiedReceipt, policy: LogPolicy) -> None:
    head = verified.head
    verdict.say(
        PROVED,
        f"{len(verified.steps)} hashes lead from that leaf, at index {receipt.index}, to the root "
        f"{head.root_hash.hex()} of a log of {head.size} entries.",
    )
    _say_signatures(
        verdict,
        policy,
        origin=head.origin,
        log_keys=verified.log_keys,
        times=verified.witness_times,
        is_final=verified.is_final,
    )


def _say_signatures(
    verdict: Verdict,
    policy: LogPolicy,
    *,
    origin: str,
    log_keys: Sequence[VerifierKey],
    times: Sequence[WitnessTime],
    is_final: bool,
) -> None:
    keys = " and ".join(key.key_id.hex() for key in log_keys)
    verdict.say(PROVED, f"The log {origin} signed this size and root (key {keys}).")
    names = {witness.key: witness.name for witness in policy.witnesses}
    for seen in times:
        name, clock = names[seen.key], _clock(seen.at_seconds)
        verdict.say(PROVED, f"The witness {name} ({seen.key.name}) cosigned it at {clock}.")
    silent = [name for key, name in names.items() if key not in {seen.key for seen in times}]
    if silent:
        verdict.say(NOT_PROVED, f"Not cosigned here by {', '.join(silent)}.")
    if is_final:
        verdict.say(PROVED, f"It is final: the policy asks for {_quorum(policy)}, and that is reached.")
    elif policy.quorum == "none":
        verdict.say(NOT_PROVED, "It is not final: the policy asks for no witness, so others may be shown another log.")
    else:
        verdict.say(
            NOT_PROVED, f"It is not final: the policy asks for {_quorum(policy)}; others may be shown another log."
        )


def _say_disclosure(verdict: Verdict, encoded: bytes, content: dict[str, Any]) -> None:
    def find() -> tuple[Disclosure, str]:
        disclosure = Disclosure.parse(encoded)
        return disclosure, disclosure.find_in(content)

    disclosure, place = take_step(find, "the disclosure")
    verdict.say(
        PROVED,
        f"The handle at {place} is the {disclosure.subject_kind} {disclosure.subject_id}: whoever made it "
        "had the disclosed key.",
    )


def say_pack(verdict: Verdict, pack: VerifiedPack) -> None:
    if not pack.is_policy_trusted:
        verdict.say(
            NOT_PROVED,
            "Whose log this is. The keys come from the pack's own policy, so this shows only that the pack "
            "agrees with itself. Name a policy that you trust with --policy.",
        )
    elif not pack.has_same_policy:
        verdict.say(NOTE, "The pack carries another policy than yours. Only yours was used.")
    head = pack.checked.head
    which = "all entries" if pack.is_whole else f"{len(pack.indices)} of {head.size} entries"
    verdict.say(PROVED, f"The pack holds {which} of the log, and the exact bytes of each lead to its root.")
    root = head.root_hash.hex()
    verdict.say(PROVED, f"Its {pack.tile_count} tiles belong to the tree of {head.size} entries with the root {root}.")
    if pack.checkpoint_sizes:
        sizes = len(pack.checkpoint_sizes)
        verdict.say(PROVED, f"{sizes} earlier checkpoints were signed, and the log only added to each of them.")
    _say_signatures(
        verdict,
        pack.policy,
        origin=head.origin,
        log_keys=pack.checked.log_keys,
        times=pack.witness_times,
        is_final=pack.is_final,
    )
    outcome = "nothing wrong" if pack.audit["is_good"] else "damage"
    verdict.say(NOT_PROVED, f"The market's own audit reports {outcome} at size {pack.audit['size']}: that is its word.")


def take_step(act: Callable[[], Result], name: str = "") -> Result:
    """Raises CheckFailed, which names the step, in place of a LedgerError."""
    try:
        return act()
    except LedgerError as error:
        raise CheckFailed(name or _STEPS.get(type(error), "the receipt"), error) from error


def _quorum(policy: LogPolicy) -> str:
    for group in policy.groups:
        if group.name == policy.quorum:
            return f"{group.needed} of {len(group.members)} ({', '.join(group.members)})"
    return policy.quorum


def _clock(at_seconds: int) -> str:
    try:
        return datetime.fromtimestamp(at_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"second {at_seconds} (no real date)"
