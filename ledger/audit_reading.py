"""The entries of an audit, read and checked on all processors.

Ranges of a long log go to readers: fresh Pythons without Django, which share no connection, thread or lock with the
worker that began them, and end when their link to it does. What a lost reader had to do is done here then.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from ledger.audit_entries import Examined, examine
from ledger.audit_rows import Link
from ledger.tiles import FULL_WIDTH

logger = logging.getLogger(__name__)

CHUNK = 16 * FULL_WIDTH
# In ranges. A reader takes a quarter of a second to begin: fewer than these are sooner read here.
LEAST = 8
MOST_READERS = 2
# Ranges that a reader has at a time, so that it never waits, and how far anybody reads ahead of the walk.
GIVEN = 3
AHEAD = 12
_ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Reader:
    """given: where the ranges begin that it has not answered. is_ready: it has said that it is there."""

    process: subprocess.Popen[bytes]
    given: list[int] = field(default_factory=list)
    is_ready: bool = False


class EntryReading:
    """Gives what each range of entries is, in log order. To be closed: its readers are processes."""

    def __init__(self, start: int, end: int) -> None:
        self.end = end
        self._waiting = deque(range(start, end, CHUNK))
        self._examined: dict[int, Examined] = {}
        self._readers: dict[Connection, Reader] = {}

    def begin_readers(self, raw: Link) -> None:
        """Let others help. raw: in no transaction, for others see only what is committed."""
        if len(self._waiting) < LEAST:
            return
        others = (os.cpu_count() or 1) - 1
        login = make_conninfo(raw.info.dsn, password=raw.info.password or None)
        for _ in range(min(others, MOST_READERS)):
            link, process = _start_reader()
            self._readers[link] = Reader(process)
            self._say(link, login)

    def close(self) -> None:
        for link in list(self._readers):
            self._end(link)

    def take(self, start: int, raw: Link) -> Examined:
        """Return the range that begins here, the next one of the walk. Raises psycopg.Error."""
        while start not in self._examined:
            self._collect(0)
            self._give_out(start)
            if start in self._examined:
                break
            if self._may_begin(start):
                own = self._waiting.popleft()
                self._examined[own] = examine(raw, own, self.end_of(own))
            else:
                self._collect(None)
        return self._examined.pop(start)

    def end_of(self, start: int) -> int:
        return min(start + CHUNK, self.end)

    def _may_begin(self, position: int) -> bool:
        return bool(self._waiting) and self._waiting[0] < position + AHEAD * CHUNK

    def _give_out(self, position: int) -> None:
        for link, reader in list(self._readers.items()):
            while reader.is_ready and len(reader.given) < GIVEN and self._may_begin(position):
                reader.given.append(start := self._waiting.popleft())
                if not self._say(link, (start, self.end_of(start))):
                    break

    def _say(self, link: Connection, what: object) -> bool:
        try:
            link.send(what)
        except OSError:
            self._lose(link)
            return False
        return True

    def _collect(self, seconds: float | None) -> None:
        """Take what readers have sent, waiting at most so long for the first. None: until there is something."""
        for link in wait(list(self._readers), seconds):
            assert isinstance(link, Connection)
            reader = self._readers[link]
            try:
                answer: Examined | None = link.recv()
            except (EOFError, OSError):
                self._lose(link)
                continue
            if answer is None:
                reader.is_ready = True
            else:
                self._examined[reader.given.pop(0)] = answer

    def _lose(self, link: Connection) -> None:
        reader = self._end(link)
        logger.warning("ledger.audit_reader_lost", extra={"code": reader.process.returncode, "ranges": reader.given})
        self._waiting = deque(sorted([*self._waiting, *reader.given]))

    def _end(self, link: Connection) -> Reader:
        reader = self._readers.pop(link)
        link.close()
        reader.process.kill()
        reader.process.wait()
        return reader


def _start_reader() -> tuple[Connection, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-m", "ledger.audit_reading"]
        # A session of its own: an interrupt from the keyboard is for the one who audits.
        process = subprocess.Popen(
            command, cwd=_ROOT, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
        )
        return Connection(ours.detach()), process


def read_for_another() -> None:
    """What a reader does: ranges come in over its standard input, and what they are goes back."""
    with Connection(os.dup(sys.stdin.fileno())) as link, psycopg.connect(link.recv(), autocommit=True) as raw:
        raw.execute("SET default_transaction_read_only = on")
        link.send(None)
        try:
            while True:
                link.send(examine(raw, *link.recv()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return


if __name__ == "__main__":
    read_for_another()
