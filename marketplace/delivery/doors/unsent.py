"""How much the kernel takes of an answer before it can send it."""

import contextlib
import functools
import os
import socket
from collections.abc import Iterator
from pathlib import Path

UNSENT_BYTES = 32 * 1024
_OPEN_FILES = Path("/proc/self/fd")


@functools.cache
def limit_unsent_bytes() -> None:
    """Have the kernel take little ahead of what a slow reader was sent: by itself it takes megabytes.

    They would flow on for half a minute after a withdrawal. What is on its way at once stays free, so far readers lose
    no speed. Connections inherit it from the socket that listens. Web servers open that one late, after they loaded us,
    so this is done when the first file is asked for, to the connections of then too.
    """
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(one) for one in _tcp_sockets()]
        is_listening = {one: one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for one in found}
        ports = {one.getsockname()[1] for one in found if is_listening[one]}
        for one in found:
            if one.getsockname()[1] in ports:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)


def _tcp_sockets() -> Iterator[socket.socket]:
    """Yield a second handle on each of this process's; on Linux, which tells them."""
    for entry in _OPEN_FILES.iterdir() if _OPEN_FILES.is_dir() else ():
        with contextlib.suppress(OSError):
            if entry.is_socket():
                found = socket.socket(fileno=os.dup(int(entry.name)))
                if found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM:
                    yield found
                else:
                    found.close()
