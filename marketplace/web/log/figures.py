"""What the log's public page tells of the log: its head, how fast it grows, and who witnesses it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.http import QueryDict

from ledger.models import Checkpoint, LogFreeze, LogHead, WitnessMemory
from ledger.policy import LogPolicy
from ledger.services import current_freeze, final_size, log_policy, sizes_at
from marketplace.web.charts import TimeChart

State = WitnessMemory.State
_TAGS = {State.GOOD: "tag-proven", State.SILENT: "tag-pending", State.REFUSING: "tag-danger", State.ALARM: "tag-danger"}


@dataclass(frozen=True, slots=True)
class Rate:
    """How entries are counted over time. name: as the address has it."""

    name: str
    label: str
    unit: str
    step: timedelta
    count: int


RATES = {
    rate.name: rate
    for rate in (
        Rate("day", "24 hours", "entries an hour", timedelta(hours=1), 24),
        Rate("month", "30 days", "entries a day", timedelta(days=1), 30),
    )
}


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """memory: None for one of the policy that was never asked. behind: how many entries it has not seen yet."""

    name: str
    key_name: str
    memory: WitnessMemory | None
    behind: int

    @property
    def words(self) -> str:
        return State.NEW.label if self.memory is None else self.memory.get_state_display()

    @property
    def tag(self) -> str:
        return "" if self.memory is None else _TAGS.get(State(self.memory.state), "")


@dataclass(frozen=True)
class LogFigures:
    """newest: None until a checkpoint is signed. quorum: how many witnesses are enough, in words; empty for none."""

    size: int
    root_hash: bytes
    final_size: int
    newest: Checkpoint | None
    last_day: int
    witnesses: list[WitnessLine]
    quorum: str
    freeze: LogFreeze | None


def log_figures(at: datetime) -> LogFigures:
    head = LogHead.objects.get(pk=1)
    policy = log_policy()
    return LogFigures(
        size=head.size,
        root_hash=bytes(head.root_hash),
        final_size=final_size(),
        newest=Checkpoint.objects.defer("note").order_by("-size").first(),
        last_day=max(head.size - sizes_at([at - timedelta(days=1)])[0], 0),
        witnesses=witness_lines(policy, head.size),
        quorum=quorum_words(policy),
        freeze=current_freeze(),
    )


def witness_lines(policy: LogPolicy, size: int) -> list[WitnessLine]:
    memories = {memory.name: memory for memory in WitnessMemory.objects.all()}
    lines = []
    for witness in policy.witnesses:
        memory = memories.get(witness.name)
        seen = memory.size if memory else 0
        lines.append(WitnessLine(witness.name, witness.key.name, memory, max(size - seen, 0)))
    return lines


def quorum_words(policy: LogPolicy) -> str:
    for group in policy.groups:
        if group.name == policy.quorum:
            return f"{group.needed} of {len(group.members)}"
    return policy.quorum if any(witness.name == policy.quorum for witness in policy.witnesses) else ""


def rate_chart(rate: Rate, at: datetime) -> TimeChart | None:
    """Entries recorded in each whole step up to now; None when there are none."""
    moments = [at - rate.step * place for place in range(rate.count, -1, -1)]
    grown = [max(after - before, 0) for before, after in pairwise(sizes_at(moments))]
    if not any(grown):
        return None
    points = list(zip(moments[1:], map(float, grown), strict=True))
    return TimeChart("Entries recorded", rate.unit, points, gap_seconds=2 * rate.step.total_seconds())


def rate_buttons(chosen: Rate, query: QueryDict) -> list[dict[str, Any]]:
    """The buttons of the chart. query: the address's own, which keeps what it narrows."""
    buttons = []
    for rate in RATES.values():
        changed = query.copy()
        changed["rate"] = rate.name
        address = f"?{changed.urlencode()}#rate"
        buttons.append({"label": rate.label, "url": address, "is_current": rate.name == chosen.name})
    return buttons
