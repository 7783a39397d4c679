"""The witnesses of `make run`: three manufacturers of the demo, each with a key, a state and a port of its own.

VAR_DIR/witnesses holds a folder for each, and the policy by which two of the three make a checkpoint final.
"""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marketplace.embedded.processes import ServiceError

HOST = "127.0.0.1"
NAMES = ("demo-meters", "demo-sensors", "demo-chargers")
NEEDED = 2
_KEY = re.compile(r"[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True)
class DemoWitness:
    name: str
    folder: Path
    port: int

    @property
    def environment(self) -> dict[str, str]:
        """A manufacturer's machine knows none of the market's secrets."""
        return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONUNBUFFERED": "1"}

    def command(self, log_keys: Sequence[str]) -> list[str]:
        arguments = ["-m", "ledger.witness", "serve", "--key", str(self.folder / "key")]
        arguments += ["--state", str(self.folder / "state"), "--host", HOST, "--port", str(self.port)]
        return [*arguments, *(word for key in log_keys for word in ("--log", key))]

    def answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), timeout=1):
                return True
        except OSError:
            return False


def prepare_witnesses(folder: Path, source: Path) -> list[DemoWitness]:
    """Make the keys and choose the ports that are not there yet, and write the policy. source: where our code is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    witnesses = []
    for name in NAMES:
        own = folder / name
        if not (own / "key").exists():
            _make_key(own, name, source)
        witnesses.append(DemoWitness(name, own, _port_of(own)))
    draft = folder / "policy.new"
    draft.write_text(_policy(witnesses))
    draft.replace(folder / "policy")
    return witnesses


def verifier_keys(text: str) -> list[str]:
    """Return the lines of a program's output that are verifier keys."""
    return [line for line in text.splitlines() if _KEY.fullmatch(line)]


def _make_key(folder: Path, name: str, source: Path) -> None:
    command = [sys.executable, "-m", "ledger.witness", "keygen", str(folder), "--name", f"{name}.invalid/witness"]
    made = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise ServiceError(f"The witness {name} could not make its key: {made.stderr.strip()}")
    folder.chmod(0o700)


def _port_of(folder: Path) -> int:
    """Return the port of the last run if it is free, or another one."""
    written = folder / "port"
    for wanted in (written.read_text().strip() if written.exists() else "0", "0"):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, int(wanted)))
            except (OSError, ValueError, OverflowError):
                continue
            port: int = probe.getsockname()[1]
        written.write_text(f"{port}\n")
        return port
    raise ServiceError(f"No port of {HOST} is free for a witness.")


def _policy(witnesses: Sequence[DemoWitness]) -> str:
    keys = {witness.name: (witness.folder / "vkey").read_text().strip() for witness in witnesses}
    lines = [f"witness {witness.name} {keys[witness.name]} http://{HOST}:{witness.port}" for witness in witnesses]
    lines += [f"group makers {NEEDED} {' '.join(keys)}", "quorum makers"]
    return "".join(f"{line}\n" for line in ["# Written anew at each start.", *lines])
