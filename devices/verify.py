"""Check that a downloaded table is what devices signed: python -m devices.verify --help.

Needs PyNaCl, cbor2 and the standard library, no network, and nothing of the market but the pure files of this folder
and of ledger/. Exit codes: 0 every row is proven and final, 1 bad, 2 not everything is proven, or not final, 3 usage.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NoReturn

from devices.origin_verdict import FAILED, CheckStopped, OriginVerdict
from devices.tables import TableMalformed, instant_micros
from devices.verifying import check_download
from ledger.errors import LedgerError
from ledger.policy import LARGEST_POLICY, LogPolicy

GOOD, BAD, NOT_ALL, USAGE = range(4)
_DESCRIPTION = (
    "Check offline that a download (CSV, NDJSON, SenML JSON) is what the devices signed. "
    "Exit code: 0 every row is proven, 1 bad, 2 not all of it is proven, or not final, 3 usage."
)


class _WrongUsage(Exception):
    """The program was not called as it must be, or a file that it names cannot be opened."""


class _Parser(argparse.ArgumentParser):
    """Answers wrong usage with 3, because 2 means something here."""

    def error(self, message: str) -> NoReturn:
        raise _WrongUsage(f"{message}\n{self.format_usage()}")


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that knows few characters must not stop a verification.
            stream.reconfigure(errors="backslashreplace")
    verdict = OriginVerdict()
    try:
        _check(verdict, sys.argv[1:] if arguments is None else arguments)
    except _WrongUsage as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    except CheckStopped as error:
        verdict.is_bad = True
        verdict.say(FAILED, str(error))
    for said in verdict.statements:
        sys.stdout.write(f"{said.mark:<12}{said.sentence}\n")
    sys.stdout.write(f"{'RESULT':<12}{conclusion(verdict)}\n")
    return BAD if verdict.is_bad else GOOD if verdict.is_final else NOT_ALL


def conclusion(verdict: OriginVerdict) -> str:
    if verdict.is_bad:
        return "Bad. Do not rely on it."
    if verdict.is_final and verdict.is_derived:
        return "Good: every row is what the market stated in the log. The rows are derived, so no device signed them."
    if verdict.is_final:
        return "Good: every row is what devices signed, under keys that the log knows."
    return f"Nothing is wrong, and not everything is proven. What is lacking: {verdict.lacking}."


def _check(verdict: OriginVerdict, words: Sequence[str]) -> None:
    parser = _Parser(prog="python -m devices.verify", description=_DESCRIPTION)
    parser.add_argument("download", type=Path, help="the table, as it was downloaded")
    parser.add_argument("evidence", type=Path, help="its evidence (.evidence.jsonl)")
    parser.add_argument("--policy", type=Path, help="whose signatures you trust (C2SP tlog-policy)")
    parser.add_argument(
        "--received-until",
        metavar="TIME",
        help="leave out what came to the market later, such as 2026-03-01T12:00:00Z; for an older download",
    )
    options = parser.parse_args(words)
    policy = _policy(options.policy) if options.policy else None
    try:
        until = instant_micros(options.received_until) if options.received_until else None
    except TableMalformed as error:
        raise _WrongUsage(str(error)) from error
    with _open(options.download) as download, _open(options.evidence) as evidence:
        try:
            check_download(verdict, download, evidence, policy=policy, received_until=until)
        except OSError as error:
            raise _WrongUsage(f"A file cannot be read: {error.strerror}.") from error


def _policy(path: Path) -> LogPolicy:
    with _open(path) as opened:
        text = opened.read(LARGEST_POLICY + 1)
    try:
        return LogPolicy.parse(text)
    except LedgerError as error:
        raise CheckStopped(f"The policy cannot be used: {error}") from error


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (OSError, ValueError) as error:
        raise _WrongUsage(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


if __name__ == "__main__":
    sys.exit(main())
