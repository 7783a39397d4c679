"""What of a growing table a reader has seen, so that he can go on without loss or doubling. Pure.

Numbers of rows are given out before they are committed, so "all up to 7" says nothing: 6 may appear later. A horizon
is what the database's own snapshots are: everything before `first_open`, of the rest up to `end` all but `open`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST_OPEN = 400
_FORM = re.compile(r"[0-9a-f]{1,15}(?:-[0-9a-f]{1,15})*")


class HorizonMalformed(ValueError):
    """The text was not made here."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """end: the first arrival number that is not seen; open: those before it that are not seen either, ascending."""

    end: int
    open: tuple[int, ...] = ()

    @property
    def first_open(self) -> int:
        return self.open[0] if self.open else self.end

    def has_seen(self, arrival: int) -> bool:
        return arrival < self.end and arrival not in self.open

    def up_to(self, last: int, later: "Horizon") -> "Horizon":
        """Return what is seen once the arrivals up to `last` are, as of a later horizon."""
        still_open = {one for one in later.open if one <= last} | {one for one in self.open if one > last}
        return Horizon(max(self.end, min(last + 1, later.end)), tuple(sorted(still_open)))

    def text(self) -> str:
        return "-".join([f"{self.end:x}", *(f"{self.end - one:x}" for one in reversed(self.open))])


def read_horizon(text: str) -> Horizon:
    """Raises: HorizonMalformed."""
    if not _FORM.fullmatch(text):
        raise HorizonMalformed
    end, *back = (int(part, 16) for part in text.split("-"))
    if len(back) > MOST_OPEN or _is_out_of_order(back) or (back and back[-1] > end):
        raise HorizonMalformed
    return Horizon(end, tuple(end - one for one in reversed(back)))


def _is_out_of_order(back: Iterable[int]) -> bool:
    before = 0
    for one in back:
        if one <= before:
            return True
        before = one
    return False
