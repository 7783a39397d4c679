"""The state of the log in figures, for people who are suspicious for a living."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Min

from ledger.freezing import current_freeze
from ledger.models import Alarm, AuditRun, LogFreeze, LogHead, OutboxRow, WitnessMemory
from ledger.trust import final_size

MOST_ALARMS = 20
# The newest entries of the span; of more the percentiles would be the same.
_DELAYS = """
    SELECT percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY signed),
        percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY final) FILTER (WHERE final IS NOT NULL), count(*)
    FROM (
        SELECT committed_at - at AS signed, final_at - at AS final
        FROM (SELECT index, at, committed_at FROM ledger_entry WHERE at > %s ORDER BY at DESC LIMIT 20000) recent
        LEFT JOIN LATERAL (
            SELECT final_at FROM ledger_finalcheckpoint WHERE size > recent.index ORDER BY size LIMIT 1
        ) covered ON TRUE
    ) delays
"""
_RATE = """
    SELECT part, count(index) FROM generate_series(0, 59) AS part
    LEFT JOIN ledger_entry ON at >= %(since)s + part * interval '1 minute'
        AND at < %(since)s + (part + 1) * interval '1 minute'
    GROUP BY part ORDER BY part
"""


@dataclass(frozen=True, slots=True)
class Delays:
    """How long records took, the median and the slowest of a hundred; None where there was no record."""

    label: str
    count: int
    signed: tuple[timedelta, timedelta] | None
    final: tuple[timedelta, timedelta] | None


@dataclass(frozen=True, slots=True)
class WitnessLine:
    witness: WitnessMemory
    lag: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    head: LogHead
    final_size: int
    rate: list[float | None]
    waiting_count: int
    waiting_since: datetime | None
    delays: list[Delays]
    witnesses: list[WitnessLine]
    freeze: LogFreeze | None
    alarms: list[Alarm]
    last_run: AuditRun | None

    @property
    def last_hour(self) -> int:
        return int(sum(count or 0 for count in self.rate))


def dashboard(*, at: datetime) -> Dashboard:
    head = LogHead.objects.get(pk=1)
    waiting = OutboxRow.objects.aggregate(since=Min("submitted_at"))
    return Dashboard(
        head=head,
        final_size=final_size(),
        rate=_rate(at),
        waiting_count=OutboxRow.objects.count(),
        waiting_since=waiting["since"],
        delays=[
            _delays("the last hour", at - timedelta(hours=1)),
            _delays("the last day", at - timedelta(days=1)),
        ],
        witnesses=[WitnessLine(each, max(0, head.size - each.size)) for each in WitnessMemory.objects.order_by("name")],
        freeze=current_freeze(),
        alarms=list(Alarm.objects.order_by("-pk")[:MOST_ALARMS]),
        last_run=AuditRun.objects.order_by("-pk").first(),
    )


def _rate(at: datetime) -> list[float | None]:
    return [float(count) for _, count in _rows(_RATE, {"since": at - timedelta(hours=1)})]


def _delays(label: str, since: datetime) -> Delays:
    [(signed, final, count)] = _rows(_DELAYS, [since])
    return Delays(label, count, tuple(signed) if signed else None, tuple(final) if final else None)


def _rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
