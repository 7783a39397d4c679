"""A witness for transparency logs (C2SP tlog-witness): it signs that it saw a log grow, and never sees it shrink.

It needs Python, PyNaCl, and seven small files beside this one: bounded_server, cosignatures, durable, errors, merkle,
notes, submissions.

    python -m ledger.witness keygen FOLDER --name witness.maker.example/w1
    python -m ledger.witness serve --key FOLDER/key --state FOLDER/state --log VKEY --host 127.0.0.1 --port 8091

keygen prints the witness's verifier key, which the log's operator puts into the policy. Each --log is the verifier key
of a log that the witness follows; while a log changes its key, it has two. Logs that are not named get a 404.

The state folder holds, for each log, the last checkpoint that was cosigned, named by the SHA-256 of the log's origin.
A signature leaves the witness only after that file is on the disk. Never bring back an older state folder: whoever lost
the state makes a new key, since the old key's promise cannot be kept any more.
"""

import argparse
import contextlib
import fcntl
import hashlib
import io
import logging
import re
import secrets
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from ledger.bounded_server import BoundedServer, TimedStream
from ledger.cosignatures import CosignatureSigner, cosigned_at
from ledger.durable import write_durably
from ledger.errors import LedgerError, NoteMalformed, NoteUnverified, ProofInvalid, WitnessUnusable
from ledger.merkle import EMPTY_ROOT, verify_consistency
from ledger.notes import ED25519, Note, TreeHead, VerifierKey, parse_note, verify_note
from ledger.submissions import Submission

LARGEST_REQUEST = 64 * 1024
MOST_DISCARDED = 1024 * 1024
# Anybody may repeat a public checkpoint; within this time that costs neither a signature nor a write to the disk.
REPEAT_SECONDS = 30
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
logger = logging.getLogger("ledger.witness")


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, body: str, content_type: str = TEXT) -> None:
        super().__init__(body.strip())
        self.status, self.body, self.content_type = status, body, content_type


@dataclass(frozen=True, slots=True)
class Seen:
    """What the witness last cosigned for one log. note: as the file holds it, the log's signatures and its own."""

    head: TreeHead
    at_seconds: int
    note: str

    def repeats(self, signed: str) -> bool:
        """Whether this checkpoint, with each of these lines, is what was cosigned."""
        text, _, lines = signed.rpartition("\n\n")
        own_text, _, own_lines = self.note.rpartition("\n\n")
        return text == own_text and set(lines.splitlines()) <= set(own_lines.splitlines())


class Witness:
    """Decides what is cosigned, always under the lock of its folder, so that several processes may share one."""

    def __init__(self, signer: CosignatureSigner, log_keys: Sequence[VerifierKey], folder: Path) -> None:
        """Raises WitnessUnusable."""
        self.signer = signer
        self.folder = folder
        # What this process knows to be on the disk, by origin: the note and its cosignature.
        self._durable: dict[str, tuple[str, str]] = {}
        self.logs: dict[str, list[VerifierKey]] = {}
        for key in log_keys:
            if key.type_byte != ED25519:
                raise WitnessUnusable(f"The key of {key.name} is not an Ed25519 key of a log.")
            self.logs.setdefault(key.name, []).append(key)
        if not folder.is_dir():
            raise WitnessUnusable(f"There is no state folder {folder}. If it was lost, make a new key, too.")
        with self._locked():
            for origin in self.logs:
                self._last_seen(origin)

    def add_checkpoint(self, body: bytes, *, at_seconds: int) -> str:
        """Return the cosignature's line. Raises Refused; OSError and WitnessUnusable when the state fails."""
        try:
            asked = Submission.parse(body)
            note, head = asked.read_checkpoint()
        except NoteMalformed as error:
            raise Refused(400, f"{error}\n") from error
        if head.origin not in self.logs:
            raise Refused(404, "This log is not known here.\n")
        try:
            log_keys = verify_note(note, self.logs[head.origin])
        except NoteUnverified as error:
            raise Refused(403, f"{error}\n") from error
        if asked.old_size > head.size:
            raise Refused(400, "The old size is larger than the checkpoint's.\n")
        signed = f"{note.text}\n{_lines_of(note, log_keys)}"
        with self._locked():
            seen = self._last_seen(head.origin)
            if seen and head.size == seen.head.size and head.root_hash != seen.head.root_hash:
                self._keep_fork(head, signed)
            _check_growth(asked, head, seen)
            on_disk, line = self._durable.get(head.origin, ("", ""))
            is_fresh = seen is not None and at_seconds < seen.at_seconds + REPEAT_SECONDS
            if seen and is_fresh and on_disk == seen.note and seen.repeats(signed):
                return line
            # A clock that was set back must not make this checkpoint look older than the last one. Time 0 says none.
            at_seconds = max(at_seconds, seen.at_seconds if seen else 1)
            line = self.signer.cosign(note.text, at_seconds)
            write_durably(self.folder / _file_name(head.origin), signed + line)
            self._durable[head.origin] = (signed + line, line)
        logger.info("cosigned %s at size %d", head.origin, head.size)
        return line

    def last_checkpoint(self, origin_hash: str) -> str:
        """Raises Refused when nothing was cosigned for a log with this hash; otherwise as add_checkpoint."""
        with self._locked():
            found = [self._last_seen(origin) for origin in self.logs if _file_name(origin) == origin_hash]
        if not found or found[0] is None:
            raise Refused(404, "Nothing was cosigned for this log.\n")
        return found[0].note

    def _last_seen(self, origin: str) -> Seen | None:
        """Read the state, which must bear this witness's own cosignature. Only under the lock."""
        path = self.folder / _file_name(origin)
        own = self.signer.verifier_key
        try:
            text = path.read_bytes().decode()
            note = parse_note(text)
            verify_note(note, [own])
            head = TreeHead.parse(note.text)
            times = [
                cosigned_at(line) for line in note.signatures if (line.name, line.key_id) == (own.name, own.key_id)
            ]
        except FileNotFoundError:
            return None
        except (LedgerError, UnicodeDecodeError) as error:
            raise WitnessUnusable(f"The state {path} is damaged, or another key wrote it: {error}") from error
        if head.origin != origin:
            raise WitnessUnusable(f"The state {path} belongs to another log.")
        return Seen(head, max(times), text)

    def _keep_fork(self, head: TreeHead, signed: str) -> None:
        """Keep the first checkpoint that a log signed against its own history: both together are the evidence."""
        path = self.folder / f"{_file_name(head.origin)}.fork"
        if not path.exists():
            logger.error("%s has signed two roots at size %d", head.origin, head.size)
            write_durably(path, signed)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Opened anew each time, so that the lock holds between threads as well as between processes.
        with (self.folder / "lock").open("a") as opened:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield


def _check_growth(asked: Submission, head: TreeHead, seen: Seen | None) -> None:
    """Raises Refused unless this checkpoint is what was seen, or more of it."""
    seen_size = seen.head.size if seen else 0
    if asked.old_size != seen_size:
        raise Refused(409, f"{seen_size}\n", SIZE)
    if head.size == 0 and head.root_hash != EMPTY_ROOT:
        raise Refused(422, "This is not the root of an empty log.\n")
    if seen is None or seen_size == 0:
        if asked.proof:
            raise Refused(422, "Nothing can be proven from size 0, so no proof is sent.\n")
        return
    try:
        verify_consistency(seen_size, head.size, asked.proof, seen.head.root_hash, head.root_hash)
    except ProofInvalid as error:
        raise Refused(422, f"{error}\n") from error


def _file_name(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


def _lines_of(note: Note, keys: Sequence[VerifierKey]) -> str:
    """Return one signature line for each of these keys that signed."""
    known = {(key.name, key.key_id) for key in keys}
    lines = [signature.line() for signature in note.signatures if (signature.name, signature.key_id) in known]
    return "".join(dict.fromkeys(lines))


class Connection(BaseHTTPRequestHandler):
    """One client's requests, one after the other."""

    protocol_version = "HTTP/1.1"
    server_version = "tlog-witness"
    sys_version = ""
    error_message_format = "%(message)s\n"
    error_content_type = TEXT
    server: "WitnessServer"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.stream = TimedStream(self.connection)
        self.rfile = io.BufferedReader(self.stream)

    def handle_one_request(self) -> None:
        self.stream.deadline = time.monotonic() + self.server.request_seconds
        super().handle_one_request()

    def do_GET(self) -> None:
        # A body that nobody reads would be taken for the next request, whose answer a proxy gives to somebody else.
        if self.headers.defects or "Content-Length" in self.headers or "Transfer-Encoding" in self.headers:
            self._turn_away(400, "A GET has well-formed headers and no body.\n")
            return
        match = re.fullmatch(f"{re.escape(self.server.prefix)}/([0-9a-f]{{64}})/checkpoint", self.path)
        if match:
            self._answer_with(lambda: self.server.witness.last_checkpoint(match[1]))
        else:
            self._turn_away(404, "There is nothing here.\n")

    def do_POST(self) -> None:
        if self.path != f"{self.server.prefix}/add-checkpoint":
            self._turn_away(404, "There is nothing here.\n")
            return
        lengths = set(self.headers.get_all("Content-Length", []))
        length = lengths.pop() if len(lengths) == 1 else ""
        if self.headers.defects or "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,18}", length):
            self._turn_away(411, "A request says its length.\n")
            return
        if int(length) > LARGEST_REQUEST:
            self._turn_away(413, f"A request has at most {LARGEST_REQUEST:,} bytes.\n")
            return
        body = self.rfile.read(int(length))
        if len(body) < int(length):  # The client went away, or this witness stops.
            self.close_connection = True
            return
        self._answer_with(lambda: self.server.witness.add_checkpoint(body, at_seconds=int(time.time())))

    def _answer_with(self, act: Callable[[], str]) -> None:
        try:
            body = act()
        except Refused as refused:
            logger.warning("refused %s: %d %s", self.path, refused.status, refused)
            self._answer(refused.status, refused.body, refused.content_type)
        except (OSError, WitnessUnusable):
            logger.exception("the state could not be read or written")
            self._answer(500, "The witness cannot read or write its state.\n")
        else:
            self._answer(200, body)

    def _answer(self, status: int, body: str, content_type: str = TEXT) -> None:
        encoded = body.encode()
        self.connection.settimeout(self.server.request_seconds)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(encoded)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(encoded)

    def _turn_away(self, status: int, body: str) -> None:
        """Answer without having read the request's body."""
        self.close_connection = True
        self._answer(status, body)
        # With bytes unread the system would cut the connection off before the client has seen the answer.
        self.connection.shutdown(socket.SHUT_WR)
        self.rfile.read(MOST_DISCARDED)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        logger.debug(format, *args)


class WitnessServer(BoundedServer):
    def __init__(self, witness: Witness, options: argparse.Namespace) -> None:
        self.witness = witness
        self.prefix = f"/{options.prefix.strip('/')}".rstrip("/")
        self.request_seconds: float = options.request_seconds
        place = (options.host, options.port)
        super().__init__(place, Connection, most=options.most_connections, most_of_one=options.most_per_address)


def create_key(folder: Path, name: str) -> VerifierKey:
    """Write FOLDER/key and FOLDER/vkey, and make FOLDER/state. Raises FileExistsError, KeyMalformed."""
    seed = secrets.token_bytes(32)
    key = CosignatureSigner(name, seed).verifier_key
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (folder / "key").exists():
        raise FileExistsError(f"{folder} has a key already; another one belongs into another folder.")
    (folder / "state").mkdir(mode=0o700)
    (folder / "vkey").write_text(f"{key}\n", encoding="utf-8")
    write_durably(folder / "key", f"{name} {seed.hex()}\n")
    return key


def read_key(path: Path) -> CosignatureSigner:
    """Raises WitnessUnusable."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        words = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise WitnessUnusable(f"The key file {path} cannot be read.") from error
    if mode & 0o077:
        raise WitnessUnusable(f"Others may read the key file {path} (mode {mode:04o}): chmod 600 it.")
    if len(words) != 2 or not re.fullmatch(r"[0-9a-f]{64}", words[1]):
        raise WitnessUnusable(f"The key file {path} must hold a name and the 32-byte seed as 64 hexadecimal digits.")
    return CosignatureSigner(words[0], bytes.fromhex(words[1]))


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT. Raises LedgerError, OSError."""
    witness = Witness(read_key(options.key), [VerifierKey.parse(text) for text in options.log], options.state)
    server = WitnessServer(witness, options)
    # Blocked before the first thread starts, so that all of them inherit it and only this one waits for them.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.Thread(target=server.serve_forever, name="accept").start()
    host, port = server.server_address[:2]
    sys.stdout.write(f"{witness.signer.verifier_key.name} listens on http://{host!s}:{port}{server.prefix}\n")
    sys.stdout.flush()
    signal.sigwait(signals)
    server.stop()


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ledger.witness", description="A witness for transparency logs.")
    commands = parser.add_subparsers(dest="command", required=True)
    keygen = commands.add_parser("keygen", help="make a key and print its verifier key")
    keygen.add_argument("folder", type=Path)
    keygen.add_argument("--name", required=True, help="an address without https://, such as witness.maker.example/w1")
    server = commands.add_parser("serve", help="cosign the checkpoints of these logs")
    server.add_argument("--key", type=Path, required=True, help="the file that keygen wrote")
    server.add_argument("--state", type=Path, required=True, help="the folder of what was cosigned; it must exist")
    server.add_argument("--log", action="append", required=True, metavar="VKEY", help="a log's key; may be repeated")
    server.add_argument("--host", default="127.0.0.1")
    server.add_argument("--port", type=int, required=True)
    server.add_argument("--prefix", default="", help="what stands before /add-checkpoint")
    server.add_argument("--request-seconds", type=float, default=10, help="after which a slow client is cut off")
    server.add_argument("--most-connections", type=int, default=64, help="at once; more get a 503")
    server.add_argument("--most-per-address", type=int, default=16, help="of these; a proxy in front is one address")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        if options.command == "keygen":
            sys.stdout.write(f"{create_key(options.folder, options.name)}\n")
        else:
            serve(options)
    except (LedgerError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
