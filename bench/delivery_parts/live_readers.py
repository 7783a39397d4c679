"""Many readers of live streams in one process, so that they cost the bench's own nothing: their delays as JSON.

stdin: host, port and seconds as JSON, then a line of path and token for each reader. Values are the times of sending.
"""

import json
import re
import selectors
import socket
import sys
import time
from typing import cast

VALUE = re.compile(rb'"air_temperature":([0-9.]+)')


def connect(host: str, port: int, path: str, token: str) -> socket.socket:
    reader = socket.create_connection((host, port))
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    reader.sendall(head.encode())
    answer = reader.recv(4096)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"A reader was refused: {answer!r}")
    reader.setblocking(False)
    return reader


def main() -> None:
    terms = json.loads(sys.stdin.readline())
    chosen = selectors.DefaultSelector()
    tails: dict[socket.socket, bytes] = {}
    for line in sys.stdin:
        reader = connect(terms["host"], terms["port"], *line.split())
        chosen.register(reader, selectors.EVENT_READ)
        tails[reader] = b""
    print("connected", flush=True)
    delays: list[float] = []
    until = time.time() + terms["seconds"]
    while (left := until - time.time()) > 0:
        for key, _ in chosen.select(timeout=left):
            reader = cast(socket.socket, key.fileobj)
            content = reader.recv(1 << 20)
            now = time.time()
            if not content:
                raise SystemExit("A stream ended.")
            whole, _, tails[reader] = (tails[reader] + content).rpartition(b"\n\n")
            delays += [now - float(value) for value in VALUE.findall(whole)]
    print(json.dumps(delays), flush=True)


if __name__ == "__main__":
    main()
