"""One line per event: time, level, constant event name, then ids."""

import logging
import re
import time

from django.http import HttpRequest

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}
# An address's query holds the signatures of file links, and what people searched for.
_QUERY = re.compile(r"(/[^\s?'\"<>]*)\?[^\s'\"<>]*")


class EventFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def format(self, record: logging.LogRecord) -> str:
        """Cut queries here, after the traceback was added: its last line may hold an address too."""
        return _QUERY.sub(r"\1", super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by the standard library
        extra = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        words = [super().formatMessage(record), *(f"{name}={_shown(value)}" for name, value in extra.items())]
        return " ".join(words)


def _shown(value: object) -> str:
    return f"{value.method} {value.path}" if isinstance(value, HttpRequest) else str(value)
