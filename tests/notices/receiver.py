"""A program that takes webhooks, as its author would write it: verified by the library of the specification."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass
class Receiver:
    """statuses: what it answers next, in turn; then 204. taken: headers and body of each request."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    act: Callable[[BaseHTTPRequestHandler], None] | None = None

    def verified(self, secret: str) -> list[dict[str, Any]]:
        return [Webhook(secret).verify(body, headers) for headers, body in self.taken]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.taken]


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Program(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if found.act is not None:
                found.act(self)
                return
            self.send_response(found.statuses.pop(0) if found.statuses else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Program) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_address[1]}/hooks?from=market"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield found
        server.shutdown()
