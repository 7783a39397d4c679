"""A witness as a process of its own, asked over HTTP, and a small log that can prove its growth and fork."""

import hashlib
import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from ledger.cosignatures import cosigned_at
from ledger.merkle import consistency_proof, leaf_hash, root_hash
from ledger.notes import Note, NoteSigner, TreeHead, VerifierKey, parse_note, verify_note
from ledger.submissions import Submission

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = "market.example/log"
PREFIX = "/w1"


class SmallLog:
    """A log of numbered leaves. A fork has the same leaves up to `shared`, and others from there on."""

    def __init__(self, origin: str = ORIGIN, seed: int = 1, shared: int | None = None, most: int = 300) -> None:
        self.origin = origin
        self.signer = NoteSigner(origin, bytes([seed]) * 32)
        names = [f"{'' if shared is None or n < shared else 'forked '}{n}" for n in range(most)]
        self.leaves = [leaf_hash(name.encode()) for name in names]

    @property
    def vkey(self) -> str:
        return str(self.signer.verifier_key)

    def head(self, size: int) -> TreeHead:
        return TreeHead(self.origin, size, root_hash(self.leaves[:size]))

    def checkpoint(self, size: int) -> str:
        return self.signer.sign(self.head(size).text())

    def submission(self, old: int, size: int, checkpoint: str = "") -> Submission:
        proof = consistency_proof(self.leaves[:size], old) if old <= size else []
        return Submission(old, tuple(proof), checkpoint or self.checkpoint(size))


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class WitnessProcess:
    """folder: as keygen leaves it."""

    def __init__(self, folder: Path, vkeys: Sequence[str], *options: str) -> None:
        self.folder = folder
        self.vkeys = vkeys
        self.options = options
        self.key = VerifierKey.parse((folder / "vkey").read_text().strip())
        self.start()

    def start(self) -> None:
        self.process = start_serving(self.folder, self.vkeys, *self.options)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith(f"{self.key.name} listens on http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1].partition("/")[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()

    def stop(self) -> int:
        """Return its exit code."""
        self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            response = connection.getresponse()
            return Answer(response.status, response.headers["Content-Type"], response.read())
        finally:
            connection.close()

    def add(self, submission: Submission | bytes) -> Answer:
        body = submission if isinstance(submission, bytes) else submission.text().encode()
        return self.ask("POST", f"{PREFIX}/add-checkpoint", body)

    def latest(self, origin: str = ORIGIN) -> Answer:
        return self.ask("GET", f"{PREFIX}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint")

    def size(self, origin: str = ORIGIN) -> int:
        """What it serves as its last checkpoint, with its signature checked; 0 when never."""
        answer = self.latest(origin)
        if answer.status == 404:
            return 0
        assert answer.status == 200, answer
        note = parse_note(answer.body)
        verify_note(note, [self.key])
        return TreeHead.parse(note.text).size

    def time_of(self, answer: Answer, checkpoint: str) -> int:
        """Check that an answer is one cosignature line for this checkpoint, and return its time."""
        assert answer.status == 200, answer
        assert answer.body.endswith(b"\n")
        assert answer.body.count(b"\n") == 1
        note: Note = parse_note(checkpoint + answer.body.decode())
        assert self.key in verify_note(note, [self.key])
        return cosigned_at(note.signatures[-1])


def make_key(folder: Path, name: str = "witness.example/w1") -> str:
    command = [sys.executable, "-m", "ledger.witness", "keygen", str(folder), "--name", name]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def start_serving(folder: Path, vkeys: Sequence[str], *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ledger.witness", "serve", "--key", str(folder / "key")]
    command += ["--state", str(folder / "state"), "--port", "0", "--prefix", PREFIX, *options]
    for vkey in vkeys:
        command += ["--log", vkey]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_until(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "It did not happen in time."
        time.sleep(0.02)
