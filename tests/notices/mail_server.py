"""A mail server on loopback that speaks just enough SMTP, for what no fake backend would show."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Received:
    """letters: what was taken. answer: what the server says to each recipient."""

    port: int = 0
    answer: str = "250 fine"
    letters: list[str] = field(default_factory=list)


@contextmanager
def mail_server() -> Iterator[Received]:
    received = Received()

    class Session(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 mail.test")
            while line := self.rfile.readline().decode().strip():
                word = line.split(" ")[0].upper()
                if word == "DATA":
                    self.take_letter()
                else:
                    self.say(received.answer if word == "RCPT" else "250 fine")
                if word == "QUIT":
                    return

        def take_letter(self) -> None:
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                lines.append(line)
            received.letters.append("\n".join(lines))
            self.say("250 taken")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Server(("127.0.0.1", 0), Session) as server:
        received.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield received
        server.shutdown()
