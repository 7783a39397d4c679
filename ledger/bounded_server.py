"""A threading TCP server for strangers: bounded in connections, for each address too, and in time. Only Python."""

import contextlib
import io
import logging
import socket
import socketserver
import sys
import time
from typing import Any

FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class TimedStream(io.RawIOBase):
    """What a client sends, until its time is up: neither silence nor one byte now and then holds a thread for long."""

    def __init__(self, source: socket.socket) -> None:
        self.source = source
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The client took too long.")
        self.source.settimeout(left)
        return self.source.recv_into(buffer)


class BoundedServer(socketserver.ThreadingTCPServer):
    """One thread for each connection, up to a limit; whoever comes beyond it gets a 503 at once.

    most_of_one: how many of them one address may hold, so that a single one cannot keep out all others.
    """

    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, place: tuple[str, int], connection: Any, *, most: int, most_of_one: int) -> None:
        self.logger = logging.getLogger(connection.__module__)
        self._most, self._most_of_one = most, most_of_one
        self._open: dict[socket.socket, str] = {}
        super().__init__(place, connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        address = client_address[0]
        # A copy: the threads take their own connections out.
        taken = list(self._open.values())
        if len(taken) >= self._most or taken.count(address) >= self._most_of_one:
            request.setblocking(False)
            request.send(FULL)
            self.shutdown_request(request)
            return
        self._open[request] = address
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        level = logging.DEBUG if isinstance(sys.exc_info()[1], ConnectionError | TimeoutError) else logging.ERROR
        self.logger.log(level, "a connection broke", exc_info=True)

    def stop(self) -> None:
        """Take no more requests, answer those that have arrived, and come back when all is done."""
        self.shutdown()
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RD)
        self.server_close()
