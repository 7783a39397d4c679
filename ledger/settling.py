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

from ledger.continuity import find_contradiction
from ledger.errors import LedgerError, NoteMalformed
from ledger.freezing import freeze_log, raise_alarm
from ledger.models import Cosignature, FinalCheckpoint, LogHead, WitnessMemory
from ledger.notes import TreeHead, parse_note
from ledger.policy import LogPolicy, PolicyWitness
from ledger.witness_client import CONTRADICTIONS, Answer, Verdict

logger = logging.getLogger(__name__)
State = WitnessMemory.State
MOST_KEPT_OF_AN_ANSWER = 4 * 1024


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


@dataclass(frozen=True, slots=True)
class Heard:
    """shown: the checkpoint that a witness shows to anybody, read at once when its answer contradicts this log."""

    answer: Answer
    verdict: Verdict
    shown: Answer | None = None


def settle(question: Question, heard: Heard, policy: LogPolicy) -> None:
    """Keep what an answer means. A size that only needs a second try is the caller's: here it has failed twice."""
    match heard.verdict.outcome:
        case "cosigned":
            _keep_cosignature(question, heard.verdict, policy)
        case "silent":
            _remember(question, State.SILENT, heard.verdict.sentence)
        case "refused":
            _alarm_once(question, heard, State.REFUSING, "witness_refuses")
        case "false" | "behind":
            _alarm_once(question, heard, State.ALARM, "witness_wrong")
        case "ahead" | "fork":
            _weigh(question, heard, policy)


def read_shown(answer: Answer, policy: LogPolicy) -> tuple[TreeHead, str]:
    """Return the checkpoint that a witness shows, and the note with nothing but our signatures.

    Raises LedgerError unless one of our own keys signed it.
    """
    note = parse_note(answer.body)
    checked = policy.check(note)
    ours = {(key.name, key.key_id) for key in checked.log_keys}
    lines = [signature.line() for signature in note.signatures if (signature.name, signature.key_id) in ours]
    return checked.head, f"{note.text}\n{''.join(dict.fromkeys(lines))}"


def kept_text(answer: Answer) -> str:
    """Return as much of an answer as is kept. PostgreSQL takes every character but NUL."""
    return answer.body[:MOST_KEPT_OF_AN_ANSWER].decode(errors="replace").replace("\0", "\ufffd")


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


def cosignature_lines(size: int, policy: LogPolicy) -> list[str]:
    """Return the newest line of each of the policy's witnesses for the checkpoint of this size."""
    newest: dict[tuple[str, bytes], str] = {}
    for row in Cosignature.objects.filter(size=size).order_by("-cosigned_at", "-pk"):
        # By key, not by the name in the policy, which may change: a note must not have two lines of one key. Its name
        # belongs to it, for an id is so short that two keys may share it.
        key = row.line.removeprefix("\u2014 ").partition(" ")[0], bytes(row.key_id)
        if key not in newest and _is_line_of(row.line, key):
            newest[key] = row.line
    keys = [(witness.key.name, witness.key.key_id) for witness in policy.witnesses]
    return [newest[key] for key in keys if key in newest]


def _is_line_of(line: str, key: tuple[str, bytes]) -> bool:
    try:
        signatures = parse_note(f"-\n\n{line}").signatures
    except NoteMalformed:
        return False
    return [(signature.name, signature.key_id, signature.line()) for signature in signatures] == [(*key, line)]


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


def _alarm_once(question: Question, heard: Heard, state: WitnessMemory.State, code: str) -> None:
    if _remember(question, state, heard.verdict.sentence):
        raise_alarm(
            code=code,
            witness_name=question.witness.name,
            sentence=heard.verdict.sentence,
            evidence=_evidence(question, heard.answer),
            at=question.now(),
        )


def _weigh(question: Question, heard: Heard, policy: LogPolicy) -> None:
    """Freeze the log when a witness shows what our own key signed against it, or when too many contradict it for a
    quorum. The word of one alone is an alarm: a witness is somebody else's machine, and may be wrong or lie.
    """
    verdict, name = heard.verdict, question.witness.name
    # Read after the answer, so that it is no older than any checkpoint that the witness may have seen.
    head = LogHead.objects.get(pk=1)
    if verdict.size is not None and verdict.size <= head.size:
        # A late answer, about a checkpoint of ours that is newer than the one that was asked for.
        remember_size(question, verdict.size)
        return
    evidence = _evidence(question, heard.answer)
    try:
        known, note = read_shown(heard.shown or Answer(0), policy)
    except LedgerError:
        refusal = None
    else:
        refusal = find_contradiction(head, known, who=f"The witness {name}")
        evidence = {**evidence, "shown": note}
    if refusal is not None:
        _remember(question, State.ALARM, verdict.sentence)
        evidence = {**refusal.details, **evidence}
        freeze_log(code=refusal.code, sentence=str(refusal), evidence=evidence, at=question.now(), witness_name=name)
        return
    _alarm_once(question, heard, State.ALARM, "witness_contradicts")
    contradicting = _contradicting(policy)
    if _is_out_of_reach(policy, contradicting):
        freeze_log(
            code="witnesses_contradict",
            sentence=f"Without those who contradict it the log has no quorum: {', '.join(contradicting)}.",
            evidence=evidence,
            at=question.now(),
            witness_name=name,
        )


def _contradicting(policy: LogPolicy) -> list[str]:
    names = [witness.name for witness in policy.witnesses]
    found = WitnessMemory.objects.filter(name__in=names, state=State.ALARM, sentence__in=CONTRADICTIONS)
    return sorted(found.values_list("name", flat=True))


def _is_out_of_reach(policy: LogPolicy, contradicting: list[str]) -> bool:
    """Whether the others are no quorum, where all together would be one."""
    everybody = [witness.key for witness in policy.witnesses]
    others = [witness.key for witness in policy.witnesses if witness.name not in contradicting]
    return policy.is_quorum(everybody) and not policy.is_quorum(others)


def _evidence(question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "checkpoint": question.note,
        "old_size": question.old_size,
        "proof": [node.hex() for node in question.proof],
        "status": answer.status,
        "answer": kept_text(answer),
        "answer_size": len(answer.body),
        "witness_key": str(question.witness.key),
    }
