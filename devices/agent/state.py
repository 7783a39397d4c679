"""What a device remembers: its key, where it sends to, and how far it came. Survives being killed at any moment."""

import base64
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from devices.agent.errors import AgentError

DEFAULT_FOLDER = Path.home() / ".ownstream-device"
_KEY_FILE = "key.seed"
_STATE_FILE = "state.json"
_PRIVATE = 0o600


@dataclass
class Pending:
    """A batch that was signed and perhaps sent. It is sent again as it is until the server has answered."""

    sequence: int
    content_type: str
    payload_base64: str
    envelope_base64: str
    source: str
    progress: dict[str, Any]

    @property
    def payload(self) -> bytes:
        return base64.b64decode(self.payload_base64)

    @property
    def envelope(self) -> bytes:
        return base64.b64decode(self.envelope_base64)


@dataclass
class DeviceState:
    """progress: for each source (a file, a simulation) how far the server has taken it."""

    server: str
    device: str = ""
    name: str = ""
    kind: str = ""
    next_sequence: int = 1
    progress: dict[str, dict[str, Any]] = field(default_factory=dict)
    pending: Pending | None = None


class StateFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def option(self) -> str:
        """What a command needs besides to work on this folder."""
        return "" if self.folder == DEFAULT_FOLDER else f", with --state {self.folder}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second agent off: two would use one sequence number for different readings."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise AgentError(f"Another agent is using {self.folder}. Wait for it, or stop it.") from error
            yield

    def read_key(self) -> SigningKey:
        try:
            return SigningKey(bytes.fromhex((self.folder / _KEY_FILE).read_text().strip()))
        except FileNotFoundError as error:
            raise AgentError(f"There is no key in {self.folder}. Run enrol first.") from error
        except ValueError as error:
            raise AgentError(f"The key file in {self.folder} is damaged.") from error

    def make_key(self) -> SigningKey:
        """Return the folder's key, making one when there is none. The file is never readable by others."""
        path = self.folder / _KEY_FILE
        if not path.exists():
            key = SigningKey.generate()
            _write_durably(path, bytes(key).hex() + "\n")
        return self.read_key()

    def read(self) -> DeviceState:
        try:
            kept = json.loads((self.folder / _STATE_FILE).read_text())
        except FileNotFoundError as error:
            raise AgentError(f"No device was enrolled in {self.folder}. Run enrol first.") from error
        except ValueError as error:
            raise AgentError(f"{self.folder / _STATE_FILE} is damaged.") from error
        pending = kept.pop("pending")
        return DeviceState(**kept, pending=Pending(**pending) if pending else None)

    def exists(self) -> bool:
        return (self.folder / _STATE_FILE).exists()

    def write(self, state: DeviceState) -> None:
        _write_durably(self.folder / _STATE_FILE, json.dumps(asdict(state)))


def _write_durably(path: Path, text: str) -> None:
    """Replace a file in one step, so that a crash leaves the old one or the new one."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
