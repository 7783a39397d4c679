"""The client of bench/upload.py, a process of its own: many keep-alive connections, requests made beforehand.

`python -m bench.uploader HOST PORT FOLDER`. The folder holds one file for each connection: envelopes, each behind its
length in four bytes. Every line on the standard input starts a round; its answer is a line of seconds and statuses.
"""

import json
import selectors
import socket
import sys
import time
from collections import Counter
from pathlib import Path

_PATH = "/api/devices/batches"
_END_OF_HEAD = b"\r\n\r\n"


class Connection:
    """One keep-alive connection that sends its envelopes one after another, each after the answer before."""

    def __init__(self, host: str, port: int, envelopes: list[bytes]) -> None:
        self.requests = [request_of(f"{host}:{port}", envelope) for envelope in envelopes]
        self.address = host, port
        self.received = b""

    def open(self) -> None:
        """Connect anew for each round: between two of them the server gives up on a silent connection."""
        self.socket = socket.create_connection(self.address, timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0

    def send_next(self) -> bool:
        """Send one request; False when all are answered."""
        if self.sent == len(self.requests):
            return False
        self.socket.sendall(self.requests[self.sent])
        self.sent += 1
        return True

    def read_status(self) -> int | None:
        """Read what is there and return the status once the answer is whole."""
        chunk = self.socket.recv(65536)
        if not chunk:
            raise ConnectionError("The server closed a connection.")
        self.received += chunk
        head, end, body = self.received.partition(_END_OF_HEAD)
        if not end or len(body) < content_length(head):
            return None
        self.received = b""
        return int(head[9:12])


def request_of(host: str, envelope: bytes) -> bytes:
    head = f"POST {_PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/cose\r\n"
    return f"{head}Content-Length: {len(envelope)}\r\n\r\n".encode() + envelope


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


def read_envelopes(path: Path) -> list[bytes]:
    content, at, envelopes = path.read_bytes(), 0, []
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        envelopes.append(content[at + 4 : at + 4 + size])
        at += 4 + size
    return envelopes


def run_round(connections: list[Connection]) -> tuple[float, Counter[int]]:
    statuses: Counter[int] = Counter()
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.open()
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    started = time.perf_counter()
    busy = sum(connection.send_next() for connection in connections)
    while busy:
        for key, _ in selector.select():
            status = key.data.read_status()
            if status is not None:
                statuses[status] += 1
                busy -= not key.data.send_next()
    seconds = time.perf_counter() - started
    selector.close()
    for connection in connections:
        connection.socket.close()
    return seconds, statuses


def main() -> None:
    host, port, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    connections = [Connection(host, port, read_envelopes(path)) for path in sorted(folder.iterdir())]
    for _ in sys.stdin:
        seconds, statuses = run_round(connections)
        used = time.process_time()
        print(json.dumps({"seconds": seconds, "statuses": statuses, "cpu_seconds": used}), flush=True)


if __name__ == "__main__":
    main()
