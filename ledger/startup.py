"""Compare the stored log with everybody who remembers it, before anything new is signed on top of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from ledger.continuity import find_contradiction
from ledger.errors import LedgerError, LogForked, LogRolledBack, TileMissing
from ledger.exporting import exported_head
from ledger.first_answer import await_answer
from ledger.freezing import freeze_log
from ledger.models import LogHead, WitnessMemory
from ledger.notes import TreeHead
from ledger.sequencer import MEMORY, signer_memory
from ledger.signing import log_verifier_keys
from ledger.trust import log_policy
from ledger.witness_client import read_checkpoint
from ledger.witnessing import known_elsewhere

logger = logging.getLogger(__name__)

EXPORT = "The last export"
WITNESS = "The witness "
Known = tuple[str, TreeHead]


@dataclass
class Comparison:
    """size: of the stored log. agreeing: who knows a head that it continues. unread: who was not asked, and why.
    witness_count: how many witnesses showed a checkpoint of ours."""

    size: int = 0
    agreeing: list[Known] = field(default_factory=list)
    contradictions: list[LogRolledBack | LogForked | TileMissing] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    witness_count: int = 0


def compare_head(at: datetime) -> Comparison:
    """Compare the head with the signer's memory, the last export and every witness that answers. Writes nothing but
    alarms about witnesses; call it outside every transaction.
    """
    comparison = Comparison()
    witnessed = _ask(comparison, "The witnesses", lambda: _witnessed(at))
    comparison.witness_count = len(witnessed)
    known = [*_ask(comparison, MEMORY, _remembered), *_ask(comparison, EXPORT, _exported), *witnessed]
    # Read last: the log may grow while the others are asked.
    head = LogHead.objects.get(pk=1)
    comparison.size = head.size
    for who, tree_head in known:
        refusal = find_contradiction(head, tree_head, who=who)
        if refusal is None:
            comparison.agreeing.append((who, tree_head))
        else:
            comparison.contradictions.append(refusal)
    return comparison


def freeze_contradicted(comparison: Comparison, at: datetime) -> None:
    """Freeze the log when anybody contradicts it; each contradiction is kept as an alarm, and shown of its witness."""
    for refusal in comparison.contradictions:
        freeze_log(code=refusal.code, sentence=str(refusal), evidence=refusal.details, at=at)
        # A frozen log asks no witness any more, so this is the last that it hears of them.
        WitnessMemory.objects.filter(name=str(refusal.details["known_by"]).removeprefix(WITNESS)).update(
            state=WitnessMemory.State.ALARM, sentence=str(refusal), asked_at=at, answered_at=at
        )


def compare_at_start() -> None:
    """Called as a sequencer starts. Without a database it starts all the same: each batch asks the memory again, and
    nothing is signed before the witnesses were asked.
    """
    try:
        if not hear_witnesses(timezone.now()):
            await_answer(hear_witnesses)
    except DatabaseError as error:
        logger.warning("ledger.head_not_compared", extra={"error": type(error).__name__})
        await_answer(hear_witnesses)
    finally:
        # The processes that this one forks must not share its connections.
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has one.


def hear_witnesses(at: datetime) -> bool:
    """Compare the head with everybody, and freeze the log if it is contradicted. Return whether a witness was heard:
    one showed our checkpoint, all say that they never saw this log, or nobody witnesses it.
    """
    policy = None
    try:
        policy = log_policy()
        comparison = compare_head(at)
    except LedgerError as error:
        logger.warning("ledger.head_not_compared", extra={"error": type(error).__name__})
        return policy is not None and not policy.has_witnesses
    freeze_contradicted(comparison, at)
    for refusal in comparison.contradictions:
        logger.error("ledger.head_refused", extra={"sentence": str(refusal)})
    logger.info("ledger.head_compared", extra={"size": comparison.size, "agreeing": len(comparison.agreeing)})
    return comparison.witness_count > 0 or all(
        read_checkpoint(witness.url, settings.LEDGER_ORIGIN).status == 404 for witness in policy.witnesses
    )


def _ask(comparison: Comparison, who: str, ask: Callable[[], list[Known]]) -> list[Known]:
    try:
        return ask()
    except (LedgerError, OSError) as error:
        comparison.unread.append(f"{who}: {error}")
        return []


def _remembered() -> list[Known]:
    known = signer_memory().recall()
    return [] if known is None else [(MEMORY, known)]


def _exported() -> list[Known]:
    folder = settings.LEDGER_EXPORT_FOLDER
    known = exported_head(folder, log_verifier_keys()) if folder else None
    return [] if known is None else [(EXPORT, known)]


def _witnessed(at: datetime) -> list[Known]:
    return [(f"{WITNESS}{known.witness_name}", known.head) for known in known_elsewhere(at)]
