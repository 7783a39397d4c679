"""One page of a measure's readings, newest first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from devices.models import Device, Measure
from devices.readings import read_readings
from marketplace.web.owner.totals import device_totals

PAGE_SIZE = 100
# Look back a day, then eight times as far, until a page is full or the first reading is reached.
FIRST_REACH = timedelta(days=1)
REACH_FACTOR = 8


@dataclass(frozen=True)
class ReadingRow:
    at: datetime
    value: float
    sequence: int


@dataclass(frozen=True)
class ReadingPage:
    """next_before: the time below which the next page starts, as in an address; empty on the last page."""

    rows: list[ReadingRow]
    next_before: str


def reading_rows(device: Device, measure: Measure, *, before: datetime | None) -> ReadingPage:
    """Return the newest readings before a moment; a measure has one reading a moment, so time alone is the key."""
    totals = device_totals(device)
    if totals.first_at is None or totals.last_at is None:
        return ReadingPage([], "")
    oldest = totals.first_at
    until = totals.last_at + timedelta(seconds=1)
    if before is not None:
        until = min(until, before)
    if until <= oldest:
        return ReadingPage([], "")
    reach = FIRST_REACH
    while True:
        start = max(oldest, until - reach)
        found = read_readings(device, names=[measure.name], start=start, until=until).tail(PAGE_SIZE + 1)
        if found.height > PAGE_SIZE or start <= oldest:
            break
        reach *= REACH_FACTOR
    shown = found.tail(PAGE_SIZE).reverse()
    rows = [
        ReadingRow(at, value, sequence) for at, value, sequence in shown.select("time", "value", "sequence").iter_rows()
    ]
    has_more = found.height > PAGE_SIZE
    return ReadingPage(rows, rows[-1].at.astimezone(UTC).isoformat() if has_more else "")


def parse_before(text: str) -> datetime | None:
    """Read the place from an address; None for anything that is no time with its offset."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
