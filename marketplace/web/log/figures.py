"""What the log's public page tells of the log: its head, how fast it grows, and who witnesses it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.core.cache import cache
from django.db.models import Count
from django.db.models.functions import TruncHour

from ledger.models import Checkpoint, Entry, LogFreeze, LogHead, WitnessMemory
from ledger.services import current_freeze, final_size

_KEY = "web:log-entries-by-hour"
_SECONDS = 30
HOURS_SHOWN = 48


@dataclass(frozen=True)
class WitnessLine:
    """behind: how many entries the witness has not seen yet."""

    memory: WitnessMemory
    behind: int


@dataclass(frozen=True)
class LogFigures:
    """by_hour: entries of the last 48 whole hours and of this one, oldest first. newest: None until one is signed."""

    size: int
    root_hash: bytes
    final_size: int
    newest: Checkpoint | None
    by_hour: list[int]
    witnesses: list[WitnessLine]
    freeze: LogFreeze | None

    @property
    def last_day(self) -> int:
        return sum(self.by_hour[-24:])


def log_figures(at: datetime) -> LogFigures:
    head = LogHead.objects.get(pk=1)
    memories = WitnessMemory.objects.order_by("name")
    return LogFigures(
        size=head.size,
        root_hash=bytes(head.root_hash),
        final_size=final_size(),
        newest=Checkpoint.objects.order_by("-size").first(),
        by_hour=entries_by_hour(at),
        witnesses=[WitnessLine(memory, max(head.size - memory.size, 0)) for memory in memories],
        freeze=current_freeze(),
    )


def entries_by_hour(at: datetime) -> list[int]:
    """Counted at most every 30 seconds, whoever asks."""
    found = cache.get(_KEY)
    if isinstance(found, list):
        return found
    this_hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=HOURS_SHOWN)
    recorded = Entry.objects.filter(at__gte=first).annotate(hour=TruncHour("at", tzinfo=UTC))
    counts = dict(recorded.values_list("hour").annotate(total=Count("pk")).order_by())
    hours = [counts.get(first + timedelta(hours=place), 0) for place in range(HOURS_SHOWN + 1)]
    cache.set(_KEY, hours, _SECONDS)
    return hours
