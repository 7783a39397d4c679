"""Talk to the server: one kept connection, and patience with what heals by itself."""

import contextlib
import http.client
import json
import time
from typing import Any
from urllib.parse import urlsplit

from devices.agent.errors import AgentError, ServerRefused, ServerUnreachable

DEFAULT_TRIES = 8
_TIMEOUT_SECONDS = 60
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
_TOO_MANY_REQUESTS = 429


class ServerClient:
    def __init__(self, server: str, *, tries: int = DEFAULT_TRIES) -> None:
        parts = urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise AgentError(f"{server!r} is not a server address such as https://market.example.")
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connect(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)
        self._prefix = parts.path.rstrip("/")
        self._server = server
        self._tries = tries

    def post_json(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        return self.post(path, json.dumps(body).encode(), "application/json")

    def post(self, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        """Return the answer to a POST. Raises ServerRefused, and ServerUnreachable when all tries failed."""
        problem = ""
        for attempt in range(self._tries):
            wait_seconds = min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS)
            try:
                status, headers, answer = self._post_once(path, body, content_type)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            else:
                if status < 300:
                    return _json_object(answer)
                refusal = _json_object(answer)
                code, detail = str(refusal.get("code", "")), str(refusal.get("detail", f"HTTP {status}"))
                if status != _TOO_MANY_REQUESTS and status < 500:
                    raise ServerRefused(status, code or f"http_{status}", detail)
                problem = detail
                if status == _TOO_MANY_REQUESTS:
                    wait_seconds = _retry_after(headers, wait_seconds)
                    if wait_seconds > _LONGEST_WAIT_SECONDS:
                        raise ServerRefused(status, code, detail)
            if attempt + 1 < self._tries:
                time.sleep(wait_seconds)
        raise ServerUnreachable(
            f"{self._server} did not take the request in {self._tries} tries ({problem}).\n"
            "What to do: check address and network, then run the same command again. It goes on where it stopped."
        )

    def _post_once(self, path: str, body: bytes, content_type: str) -> tuple[int, http.client.HTTPMessage, bytes]:
        # A server that stopped listening perhaps said why before.
        with contextlib.suppress(BrokenPipeError):
            self._connection.request("POST", self._prefix + path, body, {"Content-Type": content_type})
        response = self._connection.getresponse()
        return response.status, response.headers, response.read()


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(headers: http.client.HTTPMessage, otherwise: float) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdigit() else otherwise
