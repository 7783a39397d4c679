"""The web server and the worker of production, on the test's database and a broker of their own, to be killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import redis
from celery import Celery
from django.conf import settings
from django.db import connection

from marketplace.embedded.processes import start_child
from marketplace.embedded.supervisor import web_command
from marketplace.embedded.testing import with_redis_database
from tests.fake_stripe import WEBHOOK_SECRET, FakeStripe
from tests.kills.barriers import wait_for

# Beyond the pairs that the test run's workers have.
_BROKER_OFFSET = 32


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


def broker_url() -> str:
    """Apart from that of other tests, whose tasks nobody took."""
    name = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return with_redis_database(settings.REDIS_URL, _BROKER_OFFSET + int(name.removeprefix("gw")))


def broker() -> redis.Redis:
    return redis.Redis.from_url(broker_url().replace("redis+socket:", "unix:").replace("virtual_host=", "db="))


def empty_broker() -> None:
    broker().flushdb()


def is_broker_idle() -> bool:
    """Whether no task waits and none was taken that is not finished."""
    return broker().llen("celery") == 0 and broker().hlen("unacked") == 0


def environment(folder: Path, stripe: FakeStripe) -> dict[str, str]:
    database = urlsplit(settings.DATABASE_URL)._replace(path=f"/{connection.settings_dict['NAME']}")
    return os.environ | {
        "DATABASE_URL": database.geturl(),
        "REDIS_URL": broker_url(),
        "VAR_DIR": str(folder),
        "SECRET_KEY": settings.SECRET_KEY,
        "LEDGER_SEED_FILE": str(settings.LEDGER_SEED_FILE),
        "LEDGER_MEMORY_FILE": str(settings.LEDGER_MEMORY_FILE),
        "PAYMENT_PROVIDER": "stripe",
        "STRIPE_SECRET_KEY": "sk_test_of_the_tests",
        "STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        "STRIPE_API_ADDRESS": stripe.address,
        "DATABASE_POOL_SIZE": "40",
        "PYTHONUNBUFFERED": "1",
    }


class Process:
    """A program that can be killed with all its children, and started again."""

    def __init__(self, arguments: Sequence[str], folder: Path, stripe: FakeStripe) -> None:
        self.command = [sys.executable, *arguments]
        self.environment = environment(folder, stripe)
        self.log = folder / f"{arguments[1]}.log"
        self.files = folder / "files"
        (folder / "static").mkdir(exist_ok=True)
        self.child: subprocess.Popen[bytes]

    def start(self) -> None:
        with self.log.open("ab") as output:
            self.child = start_child(
                self.command, environment=self.environment, output=output, folder=Path(settings.BASE_DIR)
            )
        wait_for(self.is_ready, f"not ready, see {self.log}", 60)

    def is_ready(self) -> bool:
        raise NotImplementedError

    def kill(self) -> None:
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()


class Web(Process):
    def __init__(self, folder: Path, stripe: FakeStripe) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        super().__init__(web_command("127.0.0.1", self.port), folder, stripe)

    def is_ready(self) -> bool:
        try:
            return self.send(Request("/health/live", b"", {}), method="GET").status == 200
        except OSError:
            return False

    def send(self, request: Request, method: str = "POST") -> Answer | None:
        """None when the server died before it answered."""
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            caller.request(method, request.path, request.body, dict(request.headers))
            answer = caller.getresponse()
            return Answer(answer.status, answer.read())
        except (http.client.HTTPException, ConnectionResetError):
            return None
        finally:
            caller.close()


class Worker(Process):
    """Of compose.yaml, with one process for tasks, so that it is known which one to kill."""

    def __init__(self, folder: Path, stripe: FakeStripe) -> None:
        arguments = ["-m", "celery", "-A", "marketplace.celery", "worker", "-Q", "celery", "-c", "1"]
        arguments += ["-n", f"kill-{os.getpid()}@%h", "--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        super().__init__(arguments, folder, stripe)

    def start(self) -> None:
        self.log.unlink(missing_ok=True)
        super().start()

    def is_ready(self) -> bool:
        return b" ready." in self.log.read_bytes() and len(self.tasks()) == 1

    def send(self, task: str, *arguments: int) -> None:
        """As beat does."""
        Celery(broker=broker_url(), set_as_current=False).send_task(task, arguments)

    def tasks(self) -> list[int]:
        """The processes that run tasks."""
        found = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def kill_task(self) -> None:
        """Kill what runs the task; who started it does not know before `go_on`."""
        os.kill(self.child.pid, signal.SIGSTOP)
        for pid in self.tasks():
            os.kill(pid, signal.SIGKILL)

    def go_on(self) -> None:
        os.kill(self.child.pid, signal.SIGCONT)
