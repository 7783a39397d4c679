"""One line per event: time, level, constant event name, then ids."""

import logging
import time

_STANDARD = set(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {"message", "asctime", "taskName"}


class EventFormatter(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - named by the standard library
        extra = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
        words = [super().formatMessage(record), *(f"{name}={value}" for name, value in extra.items())]
        return " ".join(words)
