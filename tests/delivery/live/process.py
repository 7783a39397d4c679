"""The live server of production on the test's database, and a client that reads streams as a buyer's program does."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from marketplace.embedded.processes import start_child
from marketplace.embedded.supervisor import live_command, web_command

Row = dict[str, Any]


def wait_for(is_true: Callable[[], Any], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class LiveServer:
    """A process that can be killed and started again on its port."""

    health = "/live/health"

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
        self.environment = os.environ | {
            "DATABASE_URL": database.geturl(),
            "VAR_DIR": str(folder),
            "SECRET_KEY": settings.SECRET_KEY,
            "LIVE_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self.log = folder / f"{type(self).__name__}.log"
        (folder / "static").mkdir(exist_ok=True)
        self.child: subprocess.Popen[bytes]

    def arguments(self) -> Sequence[str]:
        return live_command("127.0.0.1", self.port)

    def start(self) -> None:
        command = [sys.executable, *self.arguments()]
        with self.log.open("ab") as output:
            self.child = start_child(
                command, environment=self.environment, output=output, folder=Path(settings.BASE_DIR)
            )
        wait_for(self.is_ready, f"not ready, see {self.log}", 60)

    def is_ready(self) -> bool:
        try:
            return self.get(self.health).status == 200
        except OSError:
            return False

    def kill(self) -> None:
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Refusal:
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            caller.request(method, path, headers=dict(headers or {}))
            answer = caller.getresponse()
            return Refusal(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            caller.close()


class WebServer(LiveServer):
    """The web of production: pages and all doors but the live stream."""

    health = "/health/live"

    def arguments(self) -> Sequence[str]:
        return web_command("127.0.0.1", self.port)


@dataclass(frozen=True)
class Refusal:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["errorCode"])


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    content: dict[str, Any]
    at: float


class Stream:
    """Reads one stream in a thread of its own until it ends. last_id: what a client would come back with."""

    def __init__(self, server: LiveServer, path: str, headers: Mapping[str, str], last_id: str = "") -> None:
        self.events: list[Event] = []
        self.beats = 0
        self.columns: list[str] = []
        self.last_id = last_id
        self.has_ended = threading.Event()
        sent = dict(headers) | ({"Last-Event-ID": last_id} if last_id else {})
        self.caller = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self.caller.request("GET", path, headers=sent)
        self.answer = self.caller.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        wait_for(lambda: self.last_id or self.has_ended.is_set(), "the stream's first place")

    def _read(self) -> None:
        lines: list[str] = []
        try:
            for raw in self.answer:
                line = raw.decode().rstrip("\n")
                if line:
                    lines.append(line)
                else:
                    self._take(lines)
                    lines = []
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.has_ended.set()

    def _take(self, lines: list[str]) -> None:
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        self.beats += sum(line.startswith(":") for line in lines)
        if "data" in fields:
            event = Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]), time.monotonic())
            if event.name == "opened":
                self.columns = event.content["data"]["columns"]
            else:
                self.events.append(event)
        self.last_id = fields.get("id", self.last_id)

    @property
    def rows(self) -> list[Row]:
        return [row for event in self.events if event.name == "readings" for row in event.content["data"]["rows"]]

    @property
    def end_code(self) -> str:
        last = self.events[-1] if self.events else None
        return str(last.content["data"]["code"]) if last and last.name == "ended" else ""

    def close(self) -> None:
        if self.caller.sock is not None:
            self.caller.sock.shutdown(socket.SHUT_RDWR)
        self.caller.close()
