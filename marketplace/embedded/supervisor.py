"""`make run`: start everything on this machine, print the address, stop everything in reverse order.

PostgreSQL -> Valkey -> migrate -> witnesses -> web -> live streams -> worker with beat -> demo market. Settings come
from the environment: HOST, PORT, LIVE_PORT (any free one without it), VAR_DIR, DATABASE_URL and REDIS_URL (used instead
of the embedded servers), LEDGER_POLICY_FILE (instead of the demo's witnesses), SEED_DEMO=0 (an empty market).
"""

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import IO

from marketplace.embedded.addresses import Services, browser_address
from marketplace.embedded.processes import ServiceError, start_child, stop_child, wait_until
from marketplace.embedded.services import EmbeddedServices, as_application, services_folder, write_services
from marketplace.embedded.witnesses import prepare_witnesses, verifier_keys

ROOT = Path(__file__).resolve().parent.parent.parent
WEB_WORKERS = 2
# A slow download holds one, and a process may get most of them: enough for 64 slow readers, and pages beside them.
WEB_THREADS = 96
JOB_THREADS = 4
# Letters, delivered files and logs are for the account that runs the market alone.
NOBODY_ELSE = 0o077


class StopRequestedError(Exception):
    """Ctrl-C, or a polite kill."""


class Supervisor:
    def __init__(self) -> None:
        self.var_dir = Path(os.environ.get("VAR_DIR") or ROOT / "var").resolve()
        self.host = os.environ.get("HOST") or "127.0.0.1"
        self.port = int(os.environ.get("PORT") or 8000)
        self.address = browser_address(self.host, self.port)
        self.logs = self.var_dir / "logs"
        self.environment = dict(os.environ) | {"VAR_DIR": str(self.var_dir), "PYTHONUNBUFFERED": "1"}
        self.services = EmbeddedServices(services_folder(self.var_dir))
        self.written: Path | None = None
        self.children: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.witnesses: list[tuple[str, subprocess.Popen[bytes]]] = []
        self.lock: IO[str] | None = None

    def run(self) -> int:
        """Run until a signal comes (0) or a child ends by itself (1)."""
        self.hold_lock()
        self.check_port(self.port)
        self.environment["LIVE_PORT"] = str(self.find_live_port())
        try:
            self.start_services()
            self.finish("migrate", "migrate", "--no-input")
            self.start_witnesses()
            self.start_web()
            self.start_live()
            self.start_worker()
            if os.environ.get("SEED_DEMO", "1") != "0":
                say("Filling the demo market ...")
                self.finish("seed", "seed_demo")
            self.greet()
            return self.watch()
        except StopRequestedError:
            say("Stopping ...")
            return 0
        finally:
            self.stop()

    def hold_lock(self) -> None:
        """One run per VAR_DIR. The kernel drops the lock with the process, however that ends."""
        for folder in (self.logs, self.var_dir / "static"):
            folder.mkdir(parents=True, exist_ok=True)
        self.close_folder()
        lock = (self.var_dir / "run.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ServiceError(
                f"Ownstream is running here already: {lock.read().strip()}. Stop that one first (Ctrl-C there)."
            ) from None
        lock.truncate(0)
        lock.write(f"{self.address}, process {os.getpid()}\n")
        lock.flush()
        self.lock = lock

    def close_folder(self) -> None:
        """Keep other accounts out. A sticky folder, such as /tmp, is everybody's: leave it, and close ours in it."""
        is_shared = bool(self.var_dir.stat().st_mode & stat.S_ISVTX)
        for folder in [self.logs] if is_shared else [self.var_dir, self.logs]:
            folder.chmod(0o700)

    def check_port(self, port: int, variable: str = "PORT") -> int:
        """Return the port, or whichever is free for 0."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, port))
            except OSError as error:
                raise ServiceError(
                    f"Cannot listen on {self.host} port {port}: {error.strerror}. "
                    f"Try another: make run {variable}={8001 if variable == 'PORT' else 9001}"
                ) from None
            return int(probe.getsockname()[1])

    def find_live_port(self) -> int:
        return self.check_port(int(os.environ.get("LIVE_PORT") or 0), "LIVE_PORT")

    def start_services(self) -> None:
        """Start the servers that the environment does not name, and tell our children and manage.py where they are."""
        found = Services()
        if not (self.environment.get("DATABASE_URL") or self.environment.get("DATABASE_HOST")):
            say("Starting PostgreSQL ...")
            owner_url = self.services.start_postgres()
            self.environment["DATABASE_URL"] = as_application(owner_url)
            self.environment["MIGRATION_DATABASE_URL"] = ""
            found = Services(database_url=self.environment["DATABASE_URL"], migration_database_url=owner_url)
        if not self.environment.get("REDIS_URL"):
            say("Starting Valkey ...")
            self.environment["REDIS_URL"], self.environment["CACHE_URL"] = self.services.start_valkey()
            found = replace(found, redis_url=self.environment["REDIS_URL"], cache_url=self.environment["CACHE_URL"])
        self.written = write_services(self.var_dir, found)

    def start_witnesses(self) -> None:
        """Start the demo's own, unless a policy names others."""
        if self.environment.get("LEDGER_POLICY_FILE"):
            return
        say("Starting the witnesses ...")
        self.finish("log-key", "log_vkey")
        log_keys = verifier_keys(self.log("log-key").read_text())
        for witness in prepare_witnesses(self.var_dir / "witnesses", ROOT):
            child = self.start_process(witness.name, witness.command(log_keys), witness.environment)
            self.witnesses.append((witness.name, child))
            name = f"The witness {witness.name}"
            wait_until(witness.answers, child=child, name=name, log=self.log(witness.name))

    def start_web(self) -> None:
        child = self.start("web", *web_command(self.host, self.port))
        address = f"{self.address}/health"
        wait_until(lambda: self.answers(address), child=child, name="The web server", log=self.log("web"))
        say(f"Ownstream is at {self.address}")

    def start_live(self) -> None:
        """Live streams have a process and a port of their own: no number of their readers costs the pages a thread."""
        port = int(self.environment["LIVE_PORT"])
        child = self.start("live", *live_command(self.host, port))
        address = f"{browser_address(self.host, port)}/live/health"
        wait_until(lambda: self.answers(address), child=child, name="The live server", log=self.log("live"))

    def start_worker(self) -> None:
        """One worker for all queues, with the timer inside; production runs them apart (see compose.yaml)."""
        arguments = ["-A", "marketplace.celery", "worker", "-B", "-P", "threads", "-c", str(JOB_THREADS)]
        arguments += ["-Q", "celery,ledger,witness,webhooks", "-n", f"embedded-{os.getpid()}@%h", "--loglevel", "INFO"]
        self.start("worker", "-m", "celery", *arguments, "--without-gossip", "--without-mingle")

    def answers(self, address: str) -> bool:
        """Say whether a server answers at all; what it says of its health is not the question yet."""
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - our own address
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    def start(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        child = self.start_process(name, arguments, self.environment)
        self.children.append((name, child))
        return child

    def start_process(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        with self.log(name).open("wb") as output:
            return start_child(
                [sys.executable, *arguments], environment=environment, output=output, folder=ROOT, umask=NOBODY_ELSE
            )

    def finish(self, name: str, *arguments: str) -> None:
        """Run a manage.py command to its end while watching the others."""
        child = self.start(name, "manage.py", *arguments)
        while child.poll() is None:
            self.check_children(besides=child)
            time.sleep(0.05)
        self.children.remove((name, child))
        if child.returncode != 0:
            raise ServiceError(f"manage.py {arguments[0]} failed. The end of {self.log(name)}:\n{self.tail(name)}")

    def watch(self) -> int:
        while True:
            self.check_children()
            time.sleep(0.25)

    def check_children(self, besides: subprocess.Popen[bytes] | None = None) -> None:
        for name, child in [row for row in self.witnesses if row[1].poll() is not None]:
            # Somebody else's machine, as it were: the log has to do without it.
            say(f"The witness {name} has ended, see {self.log(name)}. The log goes on without it.")
            self.witnesses.remove((name, child))
        for name, child in [*self.services.children, *self.children]:
            if child is not besides and child.poll() is not None:
                log = self.services.log(name) if (name, child) in self.services.children else self.log(name)
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise ServiceError(f"{name} ended with code {child.returncode}. The end of {log}:\n{tail}")

    def stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        while self.children:
            stop_child(self.children.pop()[1])
        while self.witnesses:
            stop_child(self.witnesses.pop()[1])
        if self.written:
            self.written.unlink(missing_ok=True)
        self.services.stop()

    def greet(self) -> None:
        """Print the address and the demo log-ins."""
        try:
            people = json.loads((self.var_dir / "demo.json").read_text())["people"]
        except (OSError, ValueError, KeyError):
            people = []
        if self.host in {"0.0.0.0", "::"} and not os.environ.get("ALLOWED_HOSTS"):
            say("  Others reach it under the host name in PUBLIC_URL only, or those in ALLOWED_HOSTS: set one of them.")
        lines = [f"  {person['email']:<32} {person['password']:<24} {person.get('role', '')}" for person in people]
        say(
            "\n".join(
                ["", f"  Ownstream is at {self.address}", "", *lines, "", f"  Logs: {self.logs}   Stop: Ctrl-C", ""]
            )
        )

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def tail(self, name: str) -> str:
        return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-15:])


def web_command(host: str, port: int) -> list[str]:
    """The arguments that make Python the web server; the benches start the same one."""
    command = ["-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port), "--no-ws"]
    command += ["--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS), "--http1-buffer-size", "32768"]
    return [*command, "marketplace.wsgi:application"]


def live_command(host: str, port: int) -> list[str]:
    """The arguments that make Python the server of live streams: one process, as many connections as it may hold."""
    command = ["-m", "granian", "--interface", "asgi", "--host", host, "--port", str(port), "--no-ws", "--workers", "1"]
    command += ["--backlog", "4096", "--backpressure", "6000", "--http", "1", "--http1-buffer-size", "65536"]
    command += ["--workers-kill-timeout", "5"]
    return [*command, "marketplace.asgi:application"]


def say(text: str) -> None:
    print(text, flush=True)


def request_stop(number: int, frame: FrameType | None) -> None:
    raise StopRequestedError


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, request_stop)
    try:
        return Supervisor().run()
    except StopRequestedError:
        return 0
    except ServiceError as error:
        print(error, file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
