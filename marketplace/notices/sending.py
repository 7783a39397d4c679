"""Send one webhook: one connection to an address that was checked, bounded in time and in what is read."""

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from threading import Timer
from urllib.parse import SplitResult

from django.conf import settings

from marketplace.notices.targets import TargetRefused, is_public, parse_target

# For the whole attempt, from connecting to the last header of the answer. What follows the headers is not read.
TIMEOUT_SECONDS = 10.0
MOST_ADDRESSES = 3
LATE = "It did not answer in time."


@dataclass(frozen=True)
class Answer:
    """status: of HTTP, 0 when there was none. reason: why not, in our words; nothing of theirs."""

    status: int
    reason: str = ""

    @property
    def is_taken(self) -> bool:
        return 200 <= self.status < 300


def send(url: str, headers: dict[str, str], body: bytes) -> Answer:
    """POST once: no proxy, no redirect, no retry. Never raises for what the other side does."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    try:
        parts = parse_target(url, is_local_allowed=settings.WEBHOOKS_MAY_STAY_LOCAL)
        connected = _connect(parts, _look_up(parts), deadline)
    except TargetRefused as error:
        return Answer(0, str(error))
    except TimeoutError:
        return Answer(0, LATE)
    except (OSError, UnicodeError):
        # A name with an empty or too long part cannot even be looked up.
        return Answer(0, "It could not be reached.")
    # A timeout of the socket begins anew with each byte; this one does not.
    watchdog = Timer(max(0.0, deadline - time.monotonic()), _break_off, [connected])
    watchdog.daemon = True
    watchdog.start()
    try:
        status = _exchange(connected, parts, headers, body)
        # What the watchdog cut off can look like a whole answer.
        return Answer(status) if time.monotonic() < deadline else Answer(0, LATE)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, _failure(error, is_late=time.monotonic() >= deadline))
    finally:
        watchdog.cancel()
        connected.close()


def _failure(error: Exception, *, is_late: bool) -> str:
    if is_late or isinstance(error, TimeoutError):
        return LATE
    if isinstance(error, ssl.SSLCertVerificationError):
        return "Its certificate is not valid for this address."
    return "It does not speak HTTP, or broke off."


def _look_up(parts: SplitResult) -> list[tuple[str, int]]:
    """Return the addresses to connect to. One that is not public refuses all: who set it up meant no good."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys((str(row[4][0]), port) for row in found))
    if not settings.WEBHOOKS_MAY_STAY_LOCAL and not all(is_public(address) for address, _ in addresses):
        raise TargetRefused("The host’s name leads to an address that is not of the public internet.")
    return addresses


def _connect(parts: SplitResult, addresses: list[tuple[str, int]], deadline: float) -> socket.socket:
    """Connect to an address that was checked. The name is not looked up again: it could lead elsewhere by then."""
    failure: OSError = TimeoutError()
    for address in addresses[:MOST_ADDRESSES]:
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            connected = socket.create_connection(address, timeout=min(left, TIMEOUT_SECONDS / 2))
        except OSError as error:
            failure = error
        else:
            return _wrapped(connected, parts)
    raise failure


def _wrapped(connected: socket.socket, parts: SplitResult) -> socket.socket:
    """The handshake comes later, under the watchdog."""
    if parts.scheme == "http":
        return connected
    context = ssl.create_default_context()
    return context.wrap_socket(connected, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _exchange(connected: socket.socket, parts: SplitResult, headers: dict[str, str], body: bytes) -> int:
    if isinstance(connected, ssl.SSLSocket):
        connected.do_handshake()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    connection.sock = connected
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", path, body, {"Host": parts.netloc, "Connection": "close", **headers})
    return connection.getresponse().status


def _break_off(connected: socket.socket) -> None:
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        connected.close()
