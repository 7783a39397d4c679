"""A sequencer that has just started signs nothing before one witness was heard.

A snapshot of the whole machine brings back the database and the signer's memory together, and both agree. Only a
witness knows better, so its silence right after a start is worth a minute of waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ledger.freezing import raise_alarm

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.5


@dataclass
class _Awaited:
    """ask: compares the log with every witness that answers; says whether one did, or whether there is none to ask."""

    ask: Callable[[datetime], bool]
    first_asked: float | None = None
    last_asked: float = 0.0


_awaited: dict[str, _Awaited] = {}


def await_answer(ask: Callable[[datetime], bool]) -> None:
    """Called as a sequencer starts and nobody answered. What it forks waits too, each process for itself."""
    _awaited["answer"] = _Awaited(ask, last_asked=time.monotonic())


def forget() -> None:
    _awaited.clear()


def may_sign(at: datetime) -> bool:
    """Ask once more if an answer is awaited. After a minute of silence raise an alarm and go on without."""
    awaited = _awaited.get("answer")
    if awaited is None:
        return True
    time.sleep(max(0.0, awaited.last_asked + PAUSE_SECONDS - time.monotonic()))
    awaited.last_asked = time.monotonic()
    awaited.first_asked = awaited.first_asked or awaited.last_asked
    if not awaited.ask(at):
        if time.monotonic() - awaited.first_asked < PATIENCE_SECONDS:
            return False
        raise_alarm(
            code="start_unwitnessed",
            sentence=f"No witness answered in the first {PATIENCE_SECONDS:g} seconds after a start. The log goes on."
            " If the machine was put back from a snapshot, compare its checkpoint with those of the witnesses now.",
            evidence={},
            at=at,
        )
    forget()
    return True
