"""How the log speaks to one witness (C2SP tlog-witness) over HTTP, and what it makes of an answer. Pure: no Django.

A witness is somebody else's machine: what it sends is bounded in size and time, and believed only when it verifies.
"""

import base64
import hashlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Timer
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from ledger.cosignatures import cosigned_at
from ledger.errors import AddressUnusable, NoteMalformed
from ledger.notes import VerifierKey, parse_note

TIMEOUT_SECONDS = 2.0
LARGEST_ANSWER = 64 * 1024
# As far as two clocks that somebody keeps may differ.
MOST_CLOCK_DIFFERENCE_SECONDS = 300
_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")
_REFUSALS = {
    400: "It calls our request malformed (400).",
    403: "It does not know the key that signed our checkpoint, or the signature fails for it (403).",
    404: "It does not know this log (404).",
}

_NOT_CONTINUED = "It says that our checkpoint does not continue the one that it cosigned (422)."
_NO_SIZE = "It refuses our checkpoint (409) and names no size that would explain it."
_LARGER = "It cosigned a larger tree than our newest one (409)."
# Said by a witness that does not believe this log, or says so.
CONTRADICTIONS = frozenset({_NOT_CONTINUED, _NO_SIZE, _LARGER})

Outcome = Literal["cosigned", "behind", "ahead", "fork", "refused", "false", "silent"]


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 when there was none; body: cut off at LARGEST_ANSWER. reason: why there was none."""

    status: int
    body: bytes = b""
    is_cut: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means. size: what the witness last cosigned, when it said so. sentence: the same for the same
    cause, so that a change shows; it holds no byte of what the witness sent."""

    outcome: Outcome
    sentence: str = ""
    size: int | None = None
    line: str = ""
    cosigned_at: int = 0


def add_checkpoint(url: str, *, old_size: int, proof: Sequence[bytes], note: str) -> Answer:
    hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in proof)
    return _ask("POST", url, "add-checkpoint", f"old {old_size}\n{hashes}\n{note}".encode())


def read_checkpoint(url: str, origin: str) -> Answer:
    return _ask("GET", url, f"{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint", None)


def judge(answer: Answer, *, key: VerifierKey, text: str, size: int, at_seconds: float) -> Verdict:
    """Say what a witness's answer to add-checkpoint means.

    key: the witness's; text: the checkpoint without its signatures; size: the checkpoint's.
    """
    if answer.status == 200:
        return _judge_cosignature(answer, key, text, at_seconds)
    if answer.status == 409:
        return _judge_conflict(answer, size)
    if answer.status == 422:
        return Verdict("fork", _NOT_CONTINUED)
    if answer.status in {0, 429} or answer.status >= 500:
        return Verdict("silent", answer.reason or f"It cannot answer now ({answer.status}).")
    unknown = f"It answers {answer.status}, which no witness should."
    return Verdict("refused", _REFUSALS.get(answer.status, unknown))


def parse_address(url: str) -> SplitResult:
    """Raises AddressUnusable unless it is http(s)://host[:port][/path]."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_usable = False
    # A password in it would be published with the policy.
    if not is_usable or parts.query or parts.fragment or "@" in parts.netloc or not url.isascii():
        raise AddressUnusable
    return parts


def _judge_cosignature(answer: Answer, key: VerifierKey, text: str, at_seconds: float) -> Verdict:
    try:
        note = parse_note(f"{text}\n".encode() + answer.body)
    except NoteMalformed:
        note = None
    if answer.is_cut or note is None or note.text != text:
        return Verdict("false", "It answers with something other than signature lines.")
    # Lines of keys that we do not know are passed over: a witness may sign with a newer kind of key beside this one.
    ours = [line for line in note.signatures if (line.name, line.key_id) == (key.name, key.key_id)]
    if len(ours) != 1:
        how_many = "no line" if not ours else "more than one line"
        return Verdict("false", f"It answers with {how_many} of the key that the policy names.")
    if not key.has_signed(text, ours[0].payload):
        return Verdict("false", "It answers with a signature that fails for this checkpoint.")
    seconds = cosigned_at(ours[0])
    if abs(seconds - at_seconds) > MOST_CLOCK_DIFFERENCE_SECONDS:
        return Verdict("false", "It cosigned with a time that is more than five minutes off our clock.")
    return Verdict("cosigned", line=ours[0].line(), cosigned_at=seconds)


def _judge_conflict(answer: Answer, size: int) -> Verdict:
    found = None if answer.is_cut else _SIZE.fullmatch(answer.body)
    if found is None:
        return Verdict("fork", _NO_SIZE)
    theirs = int(found[1])
    if theirs > size:
        return Verdict("ahead", _LARGER, size=theirs)
    return Verdict("behind", "It names another size than the one that it cosigned last (409).", size=theirs)


def _ask(method: str, url: str, place: str, body: bytes | None) -> Answer:
    """One request on a connection of its own: no proxy, no redirect, no retry."""
    try:
        parts = parse_address(url)
    except AddressUnusable as error:
        return Answer(0, reason=str(error))
    path = f"{parts.path.rstrip('/')}/{place}"
    headers = {"Connection": "close", "Accept-Encoding": "identity", "User-Agent": "ownstream-log"}
    if body is not None:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        connected = _connect(parts)
    except TimeoutError:
        return Answer(0, reason="It does not answer in time.")
    except OSError:
        return Answer(0, reason="It cannot be reached.")
    # A timeout of the socket begins anew with each byte; this one does not.
    watchdog = Timer(max(0.0, deadline - time.monotonic()), _break_off, [connected])
    watchdog.daemon = True
    watchdog.start()
    try:
        if isinstance(connected, ssl.SSLSocket):
            connected.do_handshake()
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        connection.sock = connected
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = response.read(LARGEST_ANSWER + 1)
        is_cut = len(found) > LARGEST_ANSWER
        if not is_cut and (response.length or time.monotonic() >= deadline):
            # Half an answer must not be judged: half a 409 would pass for a fork.
            raise http.client.IncompleteRead(found)
        return Answer(response.status, found[:LARGEST_ANSWER], is_cut)
    except (OSError, http.client.HTTPException, ValueError):
        is_late = time.monotonic() >= deadline
        return Answer(0, reason="It does not answer in time." if is_late else "It does not speak HTTP, or broke off.")
    finally:
        watchdog.cancel()
        connected.close()


def _connect(parts: SplitResult) -> socket.socket:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connected = socket.create_connection((parts.hostname or "", port), timeout=TIMEOUT_SECONDS)
    if parts.scheme == "http":
        return connected
    try:
        context = ssl.create_default_context()
        return context.wrap_socket(connected, server_hostname=parts.hostname, do_handshake_on_connect=False)
    except BaseException:
        connected.close()
        raise


def _break_off(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        connected.close()
