"""Witnesses for tests: real ones, as the separate processes that they are, and small servers that answer wrongly."""

import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger.cosignatures import CosignatureSigner
from ledger.notes import VerifierKey
from ledger.signing import log_verifier_key

ROOT = Path(__file__).resolve().parent.parent.parent


@dataclass
class RealWitness:
    """python -m ledger.witness with the key and the state in a folder."""

    folder: Path
    process: "subprocess.Popen[str] | None" = None
    url: str = ""

    @classmethod
    def create(cls, folder: Path) -> "RealWitness":
        command = [sys.executable, "-m", "ledger.witness", "keygen", str(folder), "--name", f"{folder.name}.invalid/w"]
        subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
        return cls(folder)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def key(self) -> VerifierKey:
        return VerifierKey.parse((self.folder / "vkey").read_text().strip())

    def start(self) -> "RealWitness":
        port = self.url.rsplit(":", 1)[-1] if self.url else "0"
        command = [sys.executable, "-m", "ledger.witness", "serve", "--key", str(self.folder / "key"), "--port", port]
        command += ["--state", str(self.folder / "state"), "--log", str(log_verifier_key())]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip().rsplit(" ", 1)[-1]
        assert self.url.startswith("http://127.0.0.1:")
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@dataclass
class Received:
    method: str
    path: str
    body: str

    @property
    def old_size(self) -> int:
        return int(self.body.split("\n", 1)[0].removeprefix("old "))

    @property
    def note(self) -> str:
        return self.body.split("\n\n", 1)[1]

    @property
    def text(self) -> str:
        return self.note.split("\n\n", 1)[0] + "\n"


# Status, body, further headers. A body of None hangs up without an answer.
Reply = tuple[int, bytes | None, dict[str, str]]


class FakeWitness:
    """A server that answers as its test says, and remembers what it was asked."""

    def __init__(self, name: str, answer: Callable[["FakeWitness", Received], Reply]) -> None:
        self.name = name
        self.signer = CosignatureSigner(f"{name}.invalid/w", name.encode().ljust(32, b"."))
        self.key = self.signer.verifier_key
        self.answer = answer
        self.received: list[Received] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def cosign(self, received: Received, *, seconds_off: int = 0) -> str:
        return self.signer.cosign(received.text, int(time.time()) + seconds_off)

    def kill(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def _handler(witness: FakeWitness) -> type[BaseHTTPRequestHandler]:
    class Connection(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            received = Received(self.command, self.path, body)
            witness.received.append(received)
            status, answer, headers = witness.answer(witness, received)
            if answer is None:
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(answer)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    return Connection


class Drip(socketserver.ThreadingTCPServer):
    """Sends one byte now and then, for ever: each of them would begin a plain timeout anew."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _DripConnection)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _DripConnection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            self.request.sendall(b"HTTP/1.1 409 Conflict\r\n\r\n")
            while True:
                self.request.sendall(b"7")
                time.sleep(0.2)
        except OSError:
            pass


def honest(witness: FakeWitness, received: Received) -> Reply:
    """Cosign whatever comes."""
    return 200, witness.cosign(received).encode(), {}


def says(status: int, body: str = "", **headers: str) -> Callable[[FakeWitness, Received], Reply]:
    return lambda witness, received: (status, body.encode(), headers)


def policy_text(*witnesses: Any, needed: int | str) -> str:
    lines = [f"witness {witness.name} {witness.key} {witness.url}\n" for witness in witnesses]
    names = " ".join(witness.name for witness in witnesses)
    return "".join([*lines, f"group makers {needed} {names}\n", "quorum makers\n"])
