"""Check a receipt, or an evidence pack, offline: python -m ledger.verify --help.

Needs PyNaCl and the standard library, no network, and nothing of the market but the pure files of this folder.
Exit codes: 0 good and final, 1 bad, 2 good but not final, 3 wrong usage.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from ledger.disclosures import LARGEST_DISCLOSURE, LARGEST_ENTRY, Disclosure, read_entry
from ledger.errors import LedgerError, NoteMalformed, NoteUnverified, PolicyMalformed, ProofInvalid, ReceiptMalformed
from ledger.merkle import leaf_hash
from ledger.notes import VerifierKey
from ledger.pack_reading import VerifiedPack, verify_pack
from ledger.policy import LARGEST_POLICY, LogPolicy
from ledger.receipts import LARGEST_RECEIPT, Receipt, VerifiedReceipt, WitnessTime, verify_receipt

Result = TypeVar("Result")
GOOD, BAD, NOT_FINAL, USAGE = range(4)
_DESCRIPTION = (
    "Check offline that a log committed to an entry. Exit code: 0 good and final, 1 bad, 2 not final, 3 usage."
)
_EPILOG = "To check an evidence pack: python -m ledger.verify pack PACK.zip [--policy POLICY]"
_STEPS: dict[type[LedgerError], str] = {
    ReceiptMalformed: "reading the receipt",
    PolicyMalformed: "reading the policy",
    NoteMalformed: "reading the checkpoint",
    NoteUnverified: "the signatures under the checkpoint",
    ProofInvalid: "the proof from the entry to the root",
}
_FULL_TRUTH = "NOT PROVED  That what an entry says is true. The log shows that it was recorded, and not changed since."
_TIMES = "NOT PROVED  The times: an entry's is the market's word, a cosignature's is the clock of its witness."


class _WrongUsage(Exception):
    """The command was not called as it must be, or a file that it names cannot be opened."""


class _Parser(argparse.ArgumentParser):
    """Answers wrong usage with 3, because 2 means something here."""

    def error(self, message: str) -> NoReturn:
        raise _WrongUsage(f"{message}\n{self.format_usage()}")


class _Failed(Exception):
    def __init__(self, step: str, error: LedgerError) -> None:
        super().__init__(f"{step}: {error}")


@dataclass
class _Report:
    """Writes sentences. Names in receipts and packs come from strangers, so nothing reaches the terminal raw."""

    out: TextIO

    def say(self, line: str) -> None:
        self.out.write("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows few characters must not stop a verification.
            stream.reconfigure(errors="backslashreplace")
    report = _Report(sys.stdout)
    try:
        is_final = _check_pack(words[1:], report) if words[:1] == ["pack"] else _check_receipt(words, report)
    except _WrongUsage as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except _Failed as failed:
        report.say(f"FAILED      At {failed}")
        report.say("RESULT      Bad. Do not rely on it.")
        return BAD
    if not is_final:
        report.say("RESULT      Good but not final: signed by the log, not yet seen by enough witnesses.")
        return NOT_FINAL
    report.say("RESULT      Good and final.")
    return GOOD


def _check_receipt(words: Sequence[str], report: _Report) -> bool:
    parser = _Parser(prog="python -m ledger.verify", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("receipt", type=Path, help="the receipt (.tlog-proof)")
    parser.add_argument("--policy", type=Path, required=True, help="whose signatures you trust (C2SP tlog-policy)")
    parser.add_argument("--entry", type=Path, help="the entry's exact bytes, when the receipt does not carry them")
    parser.add_argument("--disclosure", type=Path, help="JSON: whose handle stands in the entry")
    options = parser.parse_args(words)
    receipt_bytes = _read(options.receipt, LARGEST_RECEIPT)
    policy_bytes = _read(options.policy, LARGEST_POLICY)
    given = _read(options.entry, LARGEST_ENTRY) if options.entry else None
    disclosed = _read(options.disclosure, LARGEST_DISCLOSURE) if options.disclosure else None

    receipt = _step(lambda: Receipt.parse(receipt_bytes))
    policy = _step(lambda: LogPolicy.parse(policy_bytes))
    entry = receipt.extra if given is None else given
    if not entry:
        raise _WrongUsage("This receipt does not carry its entry: name the entry's file with --entry.")
    content = _step(lambda: read_entry(entry), "reading the entry")
    _say_entry(report, content, "from the receipt" if given is None else "from the file")
    report.say(f"PROVED      The entry's {len(entry)} bytes have the leaf hash {leaf_hash(entry).hex()}.")
    verified = _step(lambda: verify_receipt(receipt, entry=entry, policy=policy))
    _say_receipt(report, receipt, verified, policy)
    if disclosed is not None:
        _say_disclosure(report, disclosed, content)
    report.say(_FULL_TRUTH)
    report.say(_TIMES)
    return verified.is_final


def _check_pack(words: Sequence[str], report: _Report) -> bool:
    parser = _Parser(prog="python -m ledger.verify pack", description="Check an evidence pack offline.")
    parser.add_argument("pack", type=Path, help="the pack (.zip)")
    parser.add_argument("--policy", type=Path, help="whose signatures you trust, instead of the pack's own policy")
    options = parser.parse_args(words)
    policy = None
    if options.policy:
        policy_bytes = _read(options.policy, LARGEST_POLICY)
        policy = _step(lambda: LogPolicy.parse(policy_bytes))
    try:
        opened = options.pack.open("rb")
    except (OSError, ValueError) as error:
        raise _WrongUsage(f"{options.pack} cannot be read: {_reason(error)}.") from error
    with opened:
        verified = _step(lambda: verify_pack(opened, policy), "the evidence pack")
    _say_pack(report, verified)
    report.say(_FULL_TRUTH)
    report.say(_TIMES)
    return verified.is_final


def _say_entry(report: _Report, content: dict[str, Any], source: str) -> None:
    kind, entry_id, at = (content.get(name) for name in ("kind", "id", "at"))
    report.say(f"ENTRY       It calls itself {kind}, id {entry_id}, of {at} ({source}).")


def _say_receipt(report: _Report, receipt: Receipt, verified: VerifiedReceipt, policy: LogPolicy) -> None:
    head = verified.head
    report.say(
        f"PROVED      {len(verified.steps)} hashes lead from that leaf, at index {receipt.index}, to the root "
        f"{head.root_hash.hex()} of a log of {head.size} entries."
    )
    _say_signatures(
        report,
        policy,
        origin=head.origin,
        log_keys=verified.log_keys,
        times=verified.witness_times,
        is_final=verified.is_final,
    )


def _say_signatures(
    report: _Report,
    policy: LogPolicy,
    *,
    origin: str,
    log_keys: Sequence[VerifierKey],
    times: Sequence[WitnessTime],
    is_final: bool,
) -> None:
    keys = " and ".join(key.key_id.hex() for key in log_keys)
    report.say(f"PROVED      The log {origin} signed this size and root (key {keys}).")
    names = {witness.key: witness.name for witness in policy.witnesses}
    for seen in times:
        name, clock = names[seen.key], _clock(seen.at_seconds)
        report.say(f"PROVED      The witness {name} ({seen.key.name}) cosigned it at {clock}.")
    silent = [name for key, name in names.items() if key not in {seen.key for seen in times}]
    if silent:
        report.say(f"NOT PROVED  Not cosigned here by {', '.join(silent)}.")
    if is_final:
        report.say(f"PROVED      It is final: the policy asks for {_quorum(policy)}, and that is reached.")
    elif policy.quorum == "none":
        report.say("NOT PROVED  It is not final: the policy asks for no witness, so others may be shown another log.")
    else:
        report.say(
            f"NOT PROVED  It is not final: the policy asks for {_quorum(policy)}; others may be shown another log."
        )


def _say_disclosure(report: _Report, encoded: bytes, content: dict[str, Any]) -> None:
    def find() -> tuple[Disclosure, str]:
        disclosure = Disclosure.parse(encoded)
        return disclosure, disclosure.find_in(content)

    disclosure, place = _step(find, "the disclosure")
    report.say(
        f"PROVED      The handle at {place} is the {disclosure.subject_kind} {disclosure.subject_id}: whoever made it "
        "had the disclosed key."
    )


def _say_pack(report: _Report, pack: VerifiedPack) -> None:
    if not pack.is_policy_trusted:
        report.say(
            "NOT PROVED  Whose log this is. The keys come from the pack's own policy, so this shows only that the pack "
            "agrees with itself. Name a policy that you trust with --policy."
        )
    elif not pack.has_same_policy:
        report.say("NOTE        The pack carries another policy than yours. Only yours was used.")
    head = pack.checked.head
    which = "all entries" if pack.is_whole else f"{len(pack.indices)} of {head.size} entries"
    report.say(f"PROVED      The pack holds {which} of the log, and the exact bytes of each lead to its root.")
    report.say(f"PROVED      Its {pack.tile_count} tiles belong to the tree of {head.size} entries with the root")
    report.say(f"            {head.root_hash.hex()}.")
    if pack.checkpoint_sizes:
        sizes = len(pack.checkpoint_sizes)
        report.say(f"PROVED      {sizes} earlier checkpoints were signed, and the log only added to each of them.")
    _say_signatures(
        report,
        pack.policy,
        origin=head.origin,
        log_keys=pack.checked.log_keys,
        times=pack.witness_times,
        is_final=pack.is_final,
    )
    outcome = "nothing wrong" if pack.audit["is_good"] else "damage"
    report.say(f"NOT PROVED  The market's own audit reports {outcome} at size {pack.audit['size']}: that is its word.")


def _step(act: Callable[[], Result], name: str = "") -> Result:
    try:
        return act()
    except LedgerError as error:
        raise _Failed(name or _STEPS.get(type(error), "the receipt"), error) from error


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, one more than allowed at most, so that what reads them can refuse its length."""
    try:
        with path.open("rb") as opened:
            return opened.read(most + 1)
    except (OSError, ValueError) as error:
        raise _WrongUsage(f"{path} cannot be read: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


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


if __name__ == "__main__":
    sys.exit(main())
