"""Readers whose connection broke and who come back: what was on its way then is sent again, and not counted again.

Pure. Kept in the memory of the process and used up by the first who comes back: a reader who asks for old rows again
and again reads them again and again.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from uuid import UUID

# A connection holds what a reader has not taken no longer than this, or he is cut as too slow.
ON_THE_WAY_SECONDS = 30.0
KEPT_SECONDS = 300.0
_MOST_PIECES = 64
_MOST_OF_A_TOKEN = 20
_MOST_TOKENS = 10_000


@dataclass(slots=True)
class Delivery:
    """The places that one stream told its reader lately, with the rows that were counted on the way there."""

    places: deque[tuple[str, int, float]] = field(default_factory=lambda: deque(maxlen=_MOST_PIECES))
    ended_at: float = 0.0

    def note(self, place: str, row_count: int, now: float) -> None:
        self.places.append((place, row_count, now))

    def rows_after(self, place: str) -> int | None:
        """Return how many rows were lately counted after a place; None when this stream never told it."""
        known = [number for number, (told, _, _) in enumerate(self.places) if told == place]
        if not known:
            return None
        later = list(self.places)[known[-1] + 1 :]
        return sum(rows for _, rows, at in later if self.ended_at - at <= ON_THE_WAY_SECONDS)


class Returns:
    def __init__(self) -> None:
        self._broken: dict[UUID, deque[Delivery]] = defaultdict(lambda: deque(maxlen=_MOST_OF_A_TOKEN))

    def keep(self, token_id: UUID, delivery: Delivery, now: float) -> None:
        if len(self._broken) >= _MOST_TOKENS:
            self._broken.clear()
        delivery.ended_at = now
        self._broken[token_id].append(delivery)

    def take(self, token_id: UUID, place: str, now: float) -> int:
        """Return how many rows a reader who comes back to a place need not be counted again."""
        broken = self._broken.get(token_id, ())
        for delivery in reversed(broken):
            rows = delivery.rows_after(place)
            if rows is not None and now - delivery.ended_at <= KEPT_SECONDS:
                self._broken[token_id].remove(delivery)
                return rows
        return 0
