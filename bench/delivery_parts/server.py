"""The web server of `make run`, on a free port."""

import os
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketplace.embedded.processes import start_child, stop_child, wait_until
from marketplace.embedded.supervisor import ROOT, web_command

HOST = "127.0.0.1"


@contextmanager
def running_web() -> Iterator[str]:
    """Yield its address."""
    port = free_port()
    with running([sys.executable, *web_command(HOST, port)], f"http://{HOST}:{port}/log/vkey"):
        yield f"http://{HOST}:{port}"


@contextmanager
def running(command: list[str], address: str) -> Iterator[None]:
    """Run a server until it is not needed any more. address: what it answers once it is ready."""
    with tempfile.TemporaryDirectory(prefix="ownstream-bench-") as folder:
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            server = start_child(command, environment=os.environ, output=output, folder=ROOT)
        try:
            wait_until(lambda: answers(address), child=server, name="The server", log=log)
            yield
        finally:
            stop_child(server)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
