"""Check a receipt, or an evidence pack, offline: python -m ledger.verify --help.

Needs PyNaCl and the standard library, no network, and nothing of the market but the pure files of this folder.
Exit codes: 0 good and final, 1 bad, 2 good but not final, 3 wrong usage.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ledger.disclosures import LARGEST_DISCLOSURE, LARGEST_ENTRY
from ledger.pack_reading import verify_pack
from ledger.policy import LARGEST_POLICY, LogPolicy
from ledger.receipts import LARGEST_RECEIPT
from ledger.verdicts import CheckFailed, EntryMissing, Verdict, check_receipt, say_pack, take_step

GOOD, BAD, NOT_FINAL, USAGE = range(4)
_DESCRIPTION = (
    "Check offline that a log committed to an entry. Exit code: 0 good and final, 1 bad, 2 not final, 3 usage."
)
_EPILOG = "To check an evidence pack: python -m ledger.verify pack PACK.zip [--policy POLICY]"


class _WrongUsage(Exception):
    """The command was not called as it must be, or a file that it names cannot be opened."""


class _Parser(argparse.ArgumentParser):
    """Answers wrong usage with 3, because 2 means something here."""

    def error(self, message: str) -> NoReturn:
        raise _WrongUsage(f"{message}\n{self.format_usage()}")


def main(arguments: Sequence[str] | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows few characters must not stop a verification.
            stream.reconfigure(errors="backslashreplace")
    verdict = Verdict()
    try:
        _check_pack(words[1:], verdict) if words[:1] == ["pack"] else _check_receipt(words, verdict)
    except _WrongUsage as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except CheckFailed as failed:
        verdict.say("FAILED", f"At {failed}")
        verdict.say("RESULT", "Bad. Do not rely on it.")
        _print(verdict)
        return BAD
    if verdict.is_final:
        verdict.say("RESULT", "Good and final.")
    else:
        verdict.say("RESULT", f"Good but not final: {verdict.lacking}.")
    _print(verdict)
    return GOOD if verdict.is_final else NOT_FINAL


def _print(verdict: Verdict) -> None:
    sys.stdout.write("".join(f"{said.mark:<12}{said.sentence}\n" for said in verdict.statements))


def _check_receipt(words: Sequence[str], verdict: Verdict) -> None:
    parser = _Parser(prog="python -m ledger.verify", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("receipt", type=Path, help="the receipt (.tlog-proof)")
    parser.add_argument("--policy", type=Path, required=True, help="whose signatures you trust (C2SP tlog-policy)")
    parser.add_argument("--entry", type=Path, help="the entry's exact bytes, when the receipt does not carry them")
    parser.add_argument("--disclosure", type=Path, help="JSON: whose handle stands in the entry")
    options = parser.parse_args(words)
    receipt = _read(options.receipt, LARGEST_RECEIPT)
    policy = _read(options.policy, LARGEST_POLICY)
    entry = _read(options.entry, LARGEST_ENTRY) if options.entry else None
    disclosed = _read(options.disclosure, LARGEST_DISCLOSURE) if options.disclosure else None
    try:
        check_receipt(verdict, receipt, policy_text=policy, entry=entry, disclosed=disclosed)
    except EntryMissing as error:
        raise _WrongUsage("This receipt does not carry its entry: name the entry's file with --entry.") from error


def _check_pack(words: Sequence[str], verdict: Verdict) -> None:
    parser = _Parser(prog="python -m ledger.verify pack", description="Check an evidence pack offline.")
    parser.add_argument("pack", type=Path, help="the pack (.zip)")
    parser.add_argument("--policy", type=Path, help="whose signatures you trust, instead of the pack's own policy")
    options = parser.parse_args(words)
    policy = None
    if options.policy:
        policy_text = _read(options.policy, LARGEST_POLICY)
        policy = take_step(lambda: LogPolicy.parse(policy_text))
    try:
        opened = options.pack.open("rb")
    except (OSError, ValueError) as error:
        raise _WrongUsage(f"{options.pack} cannot be read: {_reason(error)}.") from error
    with opened:
        verified = take_step(lambda: verify_pack(opened, policy), "the evidence pack")
    say_pack(verdict, verified)
    verdict.say_limits()
    # Whoever made the pack chose its policy too, so without one of the reader's own nothing is final.
    verdict.is_final = verified.is_final and verified.is_policy_trusted
    if not verified.is_policy_trusted:
        verdict.lacking = "the pack agrees with itself, and only a policy that you trust shows whose log it is"


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes, one more than allowed at most, so that what reads them can refuse its length."""
    try:
        with path.open("rb") as opened:
            return opened.read(most + 1)
    except (OSError, ValueError) as error:
        raise _WrongUsage(f"{path} cannot be read: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


if __name__ == "__main__":
    sys.exit(main())
