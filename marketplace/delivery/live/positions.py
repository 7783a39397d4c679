"""Where a reader of a live stream is. Pure.

The id of an event is the place after it: which batches the reader has seen, and, where readings are held back or
averaged, up to when their time had come. Everything that the stream still has to say follows from these two.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from devices.horizons import Horizon, HorizonMalformed, read_horizon
from marketplace.delivery.errors import PositionUnknown

_LONGEST = 4000
_DUE = re.compile(r"[0-9a-f]{1,10}")
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Position:
    """due: rows of before this moment were delivered as far as they had arrived; None when nothing is held back."""

    horizon: Horizon
    due: datetime | None

    def text(self) -> str:
        due = "" if self.due is None else f"_{int(self.due.timestamp()):x}"
        return self.horizon.text() + due


def read_position(text: str) -> Position:
    """Raises: PositionUnknown."""
    horizon, mark, due = text.partition("_")
    if len(text) > _LONGEST or (mark and not _DUE.fullmatch(due)):
        raise PositionUnknown
    seconds = int(due, 16) if mark else 0
    if seconds > _LATEST:
        raise PositionUnknown
    try:
        return Position(read_horizon(horizon), datetime.fromtimestamp(seconds, UTC) if mark else None)
    except HorizonMalformed as error:
        raise PositionUnknown from error
