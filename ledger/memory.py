"""What the signer itself remembers of what it signed, outside the database: the largest size, and its root.

Whoever puts back an older database, or another one, meets a signer that knows better.

It is written after COMMIT, never before. A signature leaves this process only with the commit, so what was not
committed was never seen by anybody; remembered all the same, it would make the honest log refuse itself after a crash
in between. The other way round a crash between COMMIT and this file leaves the file older than the log, and an older
memory only proves less: the next head must still continue it.

The file has two slots that are written in turn, in place, each within one disk sector and with a checksum of its own.
So a crash of the process loses nothing, and the disk is told to keep it in the background: a batch waits for no second
fsync. A power cut loses the last moments at worst; the memory is older then, and the witnesses hold the rest.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import MemoryUnusable
from ledger.notes import TreeHead
from ledger.seeds import write_once

logger = logging.getLogger(__name__)

_SLOT = 512
_SECOND_SLOT = 4096
_MAGIC = "ownstream-signer-memory-v1"
_SYNC_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class SignerMemory:
    """The file that remembers one log. Raises MemoryUnusable wherever the file cannot be read and written."""

    path: Path
    origin: str

    def recall(self) -> TreeHead | None:
        """Return what was signed last, None when there is no file. A damaged file is not an empty one."""
        try:
            # Open for writing: what could not be remembered must not be signed.
            with self.path.open("r+b") as opened:
                return self._newest(opened.read(_SECOND_SLOT + _SLOT))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MemoryUnusable(f"The signer's memory {self.path} cannot be used: {error.strerror}.") from error

    def begin(self, head: TreeHead) -> None:
        """Make the file, on the disk before this returns; leave one that is there alone."""
        content = _slot(head).ljust(_SECOND_SLOT, b"\n") + _slot(head)
        try:
            write_once(self.path, content)
        except OSError as error:
            raise MemoryUnusable(f"The signer's memory {self.path} cannot be made: {error.strerror}.") from error

    def remember(self, head: TreeHead) -> None:
        """Keep a head that was committed. It never becomes smaller."""
        try:
            with self.path.open("r+b") as opened:
                content = opened.read(_SECOND_SLOT + _SLOT)
                known = self._newest(content)
                if known.size >= head.size:
                    return
                is_in_first = self._read(content[:_SLOT]) == known
                opened.seek(_SECOND_SLOT if is_in_first else 0)
                opened.write(_slot(head))
        except OSError as error:
            raise MemoryUnusable(f"The signer's memory {self.path} cannot be written: {error.strerror}.") from error
        _syncer.sync_soon(self.path)

    def _newest(self, content: bytes) -> TreeHead:
        slots = [self._read(content[:_SLOT]), self._read(content[_SECOND_SLOT:])]
        heads = [head for head in slots if head is not None]
        if not heads:
            raise MemoryUnusable(
                f"The signer's memory {self.path} is damaged. Nothing is signed: restore it from a backup, or compare"
                " the log with its witnesses, move the file away and run `manage.py check_log_head --begin-memory`."
            )
        if len(heads) == 1:
            # A power cut in the middle of a sector. The other slot is the head before.
            logger.warning("ledger.memory_half_damaged")
        newest = max(heads, key=lambda head: head.size)
        if newest.origin != self.origin:
            raise MemoryUnusable(
                f"The signer's memory {self.path} is of the log {newest.origin}, and LEDGER_ORIGIN is {self.origin}."
            )
        return newest

    @staticmethod
    def _read(slot: bytes) -> TreeHead | None:
        words = slot.decode(errors="replace").split()
        if len(words) != 5 or words[0] != _MAGIC or _checksum(" ".join(words[:4])) != words[4]:
            return None
        return TreeHead(words[1], int(words[2]), bytes.fromhex(words[3]))


def _slot(head: TreeHead) -> bytes:
    line = f"{_MAGIC} {head.origin} {head.size} {head.root_hash.hex()}"
    slot = f"{line} {_checksum(line)}\n".encode().ljust(_SLOT, b"\n")
    if len(slot) > _SLOT:
        raise MemoryUnusable("LEDGER_ORIGIN is too long for the signer's memory.")
    return slot


def _checksum(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


class _Syncer:
    """Asks the disk to keep a file, in a thread: many writes in a short time cost one fsync."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: set[Path] = set()
        self._thread: threading.Thread | None = None

    def sync_soon(self, path: Path) -> None:
        with self._lock:
            self._waiting.add(path)
            # After a fork the thread is not there any more, and is_alive says so.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="signer-memory", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                paths, self._waiting = self._waiting, set()
                if not paths:
                    self._thread = None
                    return
            for path in paths:
                _sync(path)
            time.sleep(_SYNC_PAUSE_SECONDS)


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        logger.warning("ledger.memory_not_synced", extra={"reason": error.strerror})


_syncer = _Syncer()
# A fork while another thread holds the lock would leave it locked in the child.
os.register_at_fork(after_in_child=_syncer.__init__)  # type: ignore[misc]  # On purpose: begin anew.
