"""What the log keeps of a witness's answer: the cosignature, the quorum, the alarm, the freeze."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from ledger.freezing import freeze_log, raise_alarm
from ledger.models import Cosignature, FinalCheckpoint, LogHead, WitnessMemory
from ledger.notes import TreeHead, parse_note
from ledger.policy import LogPolicy, PolicyWitness
from ledger.witness_client import Answer, Verdict

logger = logging.getLogger(__name__)
State = WitnessMemory.State


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one witness. is_retry: it named another size, and this is the second try."""

    witness: PolicyWitness
    note: str
    old_size: int
    proof: tuple[bytes, ...]
    at: datetime
    is_retry: bool = False
    started: float = field(default_factory=time.monotonic)

    @property
    def text(self) -> str:
        return parse_note(self.note).text

    @property
    def head(self) -> TreeHead:
        return TreeHead.parse(self.text)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=time.monotonic() - self.started)


def settle(question: Question, answer: Answer, verdict: Verdict, policy: LogPolicy) -> None:
    """Keep what an answer means. A size that only needs a second try is the caller's: here it has failed twice."""
    match verdict.outcome:
        case "cosigned":
            _keep_cosignature(question, verdict, policy)
        case "silent":
            _remember(question, State.SILENT, verdict.sentence)
        case "refused":
            _alarm_once(question, answer, verdict, State.REFUSING, "witness_refuses")
        case "false" | "behind":
            _alarm_once(question, answer, verdict, State.ALARM, "witness_wrong")
        case "ahead":
            _freeze_unless_outdated(question, answer, verdict)
        case "fork":
            _freeze(question, answer, verdict, "log_forked")


def remember_size(question: Question, size: int) -> None:
    """A witness said what it cosigned last."""
    memory = WitnessMemory.objects.get(name=question.witness.name)
    if size < memory.size:
        raise_alarm(
            code="witness_rolled_back",
            witness_name=memory.name,
            sentence=f"It cosigned {memory.size} entries before and says {size} now: it forgot.",
            evidence={"checkpoint": question.note, "remembered": memory.size, "answered": size},
            at=question.now(),
        )
    WitnessMemory.objects.filter(pk=memory.pk).update(size=size)


@transaction.atomic
def make_final(note: str, policy: LogPolicy, at: datetime) -> bool:
    """Keep a checkpoint as final if the cosignatures stored for it are a quorum. Return whether it is final."""
    size = TreeHead.parse(parse_note(note).text).size
    if FinalCheckpoint.objects.filter(size=size).exists():
        return True
    joined = note + "".join(cosignature_lines(size, policy))
    if joined == note or not policy.check(parse_note(joined)).is_final:
        return False
    fresh = FinalCheckpoint(size=size, note=joined, final_at=at)
    FinalCheckpoint.objects.bulk_create([fresh], ignore_conflicts=True)
    transaction.on_commit(lambda: logger.info("ledger.final", extra={"size": size}), robust=True)
    return True


def cosignature_lines(size: int, policy: LogPolicy | None = None) -> list[str]:
    """Return the newest line of each key for the checkpoint of this size; with a policy only its witnesses' lines."""
    stored = Cosignature.objects.filter(size=size).order_by("cosigned_at", "pk")
    # By key, not by the name in the policy, which may change: a note must not have two lines of one key.
    newest = {bytes(row.key_id): row.line for row in stored}
    if policy is None:
        return list(newest.values())
    return [newest[witness.key.key_id] for witness in policy.witnesses if witness.key.key_id in newest]


def cosigned_note(note: str) -> str:
    """Return a signed checkpoint with the cosignatures that it has so far, the log's own lines first."""
    return note + "".join(cosignature_lines(TreeHead.parse(parse_note(note).text).size))


@transaction.atomic
def _keep_cosignature(question: Question, verdict: Verdict, policy: LogPolicy) -> None:
    witness, size = question.witness, question.head.size
    fresh = Cosignature(
        size=size,
        witness_name=witness.name,
        key_id=witness.key.key_id,
        line=verdict.line,
        cosigned_at=datetime.fromtimestamp(verdict.cosigned_at, UTC),
        received_at=question.now(),
    )
    Cosignature.objects.bulk_create([fresh], ignore_conflicts=True)
    _remember(question, State.GOOD, "", size=size)
    make_final(question.note, policy, question.now())


def _remember(question: Question, state: WitnessMemory.State, sentence: str, size: int = 0) -> bool:
    """Return whether this is another answer than the one before."""
    memories = WitnessMemory.objects.filter(name=question.witness.name)
    has_changed = not memories.filter(state=state, sentence=sentence).exists()
    changes: dict[str, Any] = {"state": state, "sentence": sentence, "asked_at": question.at}
    if state != State.SILENT:
        changes["answered_at"] = question.now()
    memories.update(size=Greatest(F("size"), size), **changes)
    if has_changed:
        logger.info("ledger.witness_changed", extra={"witness": question.witness.name, "state": str(state)})
    return has_changed


def _alarm_once(question: Question, answer: Answer, verdict: Verdict, state: WitnessMemory.State, code: str) -> None:
    if _remember(question, state, verdict.sentence):
        raise_alarm(
            code=code,
            witness_name=question.witness.name,
            sentence=verdict.sentence,
            evidence=_evidence(question, answer),
            at=question.now(),
        )


def _freeze_unless_outdated(question: Question, answer: Answer, verdict: Verdict) -> None:
    """A late answer may tell of a checkpoint of ours that is newer than the one that was asked for."""
    if verdict.size is not None and verdict.size <= LogHead.objects.values_list("size", flat=True).get(pk=1):
        remember_size(question, verdict.size)
    else:
        _freeze(question, answer, verdict, "log_rolled_back")


def _freeze(question: Question, answer: Answer, verdict: Verdict, code: str) -> None:
    _remember(question, State.ALARM, verdict.sentence)
    freeze_log(
        code=code,
        sentence=f"The witness {question.witness.name} contradicts this log. {verdict.sentence}",
        evidence=_evidence(question, answer),
        at=question.now(),
        witness_name=question.witness.name,
    )


def _evidence(question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "checkpoint": question.note,
        "old_size": question.old_size,
        "proof": [node.hex() for node in question.proof],
        "status": answer.status,
        # PostgreSQL takes every character but this one.
        "answer": answer.body.decode(errors="replace").replace("\0", "\ufffd"),
        "witness_key": str(question.witness.key),
    }
