"""The log as the client of its witnesses: each of them is shown each signed checkpoint, and what it answers is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ledger.errors import LedgerError, TileMissing
from ledger.freezing import current_freeze, raise_alarm
from ledger.locks import GATHERING, elected_by
from ledger.models import Cosignature, FinalCheckpoint, LogHead, WitnessKey, WitnessMemory
from ledger.notes import TreeHead, VerifierKey
from ledger.policy import LogPolicy, PolicyWitness
from ledger.proofs import prove_consistency
from ledger.settling import (
    Heard,
    Question,
    kept_text,
    make_final,
    read_shown,
    remember_size,
    settle,
)
from ledger.trust import log_policy
from ledger.witness_client import TIMEOUT_SECONDS, add_checkpoint, judge, read_checkpoint

logger = logging.getLogger(__name__)

RECOSIGN_AFTER = timedelta(minutes=10)
# A witness that refused is not asked again with each checkpoint of a busy log.
PAUSE_AFTER_REFUSAL = timedelta(seconds=10)
# Two tries, and a look at what a witness shows that contradicts us.
LONGEST_ROUND_SECONDS = 3 * TIMEOUT_SECONDS + 1
MOST_AT_ONCE = 32
_LOOK_SECONDS = 0.1
_threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="witness")
# Who was asked and has not answered, by verifier key. A slow one is left alone until it has, however many rounds that
# takes; only the holder of the lock touches this.
_asked: dict[VerifierKey, tuple[Question, Future[Heard]]] = {}


@dataclass(frozen=True, slots=True)
class KnownHead:
    """A checkpoint with our own signature, as a witness shows it to anybody."""

    witness_name: str
    head: TreeHead
    note: str


def gather_cosignatures(*, at: datetime) -> bool:
    """Show the newest checkpoint to each witness that has not cosigned it in the last ten minutes.

    Call it outside every transaction: it waits for other people's machines. One process at a time does it, and nobody
    while the log is frozen. Returns whether a newer checkpoint waits already. Raises PolicyMalformed.
    """
    policy = log_policy()
    if not policy.has_witnesses or current_freeze():
        return False
    with elected_by(GATHERING) as is_elected:
        return is_elected and _gather(policy, at)


def known_elsewhere(at: datetime) -> list[KnownHead]:
    """Ask every witness for the last checkpoint of this log that it cosigned; who does not answer is left out.

    Only what one of our own keys signed is believed; anything else raises an alarm. Raises PolicyMalformed.
    """
    policy = log_policy()
    origin = policy.logs[0].key.name
    # Threads of its own: a worker asks this as it starts, and forks then; the others would be dead in its children.
    with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
        answers = list(threads.map(lambda witness: read_checkpoint(witness.url, origin), policy.witnesses))
    found = []
    for witness, answer in zip(policy.witnesses, answers, strict=True):
        if answer.status != 200:
            logger.info("ledger.witness_knows_nothing", extra={"witness": witness.name, "status": answer.status})
            continue
        try:
            head, note = read_shown(answer, policy)
        except LedgerError as error:
            raise_alarm(
                code="witness_wrong",
                witness_name=witness.name,
                sentence="It shows a checkpoint that this log did not sign.",
                evidence={"answer": kept_text(answer), "why": error.code},
                at=at,
            )
        else:
            found.append(KnownHead(witness.name, head, note))
    return found


def drop_questions(seconds: float) -> None:
    """Wait for everybody who was asked and has not answered, and settle nothing of it. Raises TimeoutError."""
    for _, future in _asked.values():
        future.result(seconds)
    _asked.clear()


def _gather(policy: LogPolicy, at: datetime) -> bool:
    head = LogHead.objects.get(pk=1)
    if not head.note:
        return False
    _settle_answered(policy, _asked)
    # What is stored may be enough by now: the policy was changed, or the process died after the last cosignature.
    make_final(head.note, policy, at)
    memories = _memories(policy, at)
    for witness in policy.witnesses:
        if witness.key not in _asked and _is_due(witness, memories[witness.name], head.size, at):
            _ask(Question(witness, head.note, 0, (), at), memories[witness.name].size)
    return _wait_for_answers(policy, head.size)


def _wait_for_answers(policy: LogPolicy, size: int) -> bool:
    """Settle the answers as they come. Who is slow is not waited for once the quorum is there and a newer head too."""
    deadline = time.monotonic() + LONGEST_ROUND_SECONDS
    asked = set(_asked)
    while asked & set(_asked) and time.monotonic() < deadline:
        done, _ = wait([future for _, future in _asked.values()], _LOOK_SECONDS, FIRST_COMPLETED)
        _settle_answered(policy, asked)
        if not done and _is_overtaken(size) and FinalCheckpoint.objects.filter(size=size).exists():
            break
    return _is_overtaken(size)


def _settle_answered(policy: LogPolicy, keys: Iterable[VerifierKey]) -> None:
    for key in [key for key in keys if key in _asked and _asked[key][1].done()]:
        question, future = _asked.pop(key)
        if any(witness == question.witness for witness in policy.witnesses):
            _settle(question, future.result(), policy)


def _settle(question: Question, heard: Heard, policy: LogPolicy) -> None:
    size = heard.verdict.size
    if heard.verdict.outcome == "behind" and size is not None:
        remember_size(question, size)
        if not question.is_retry:
            _ask(replace(question, is_retry=True), size)
            return
    settle(question, heard, policy)


def _ask(question: Question, remembered: int) -> None:
    """remembered: the size up to which the witness knows the log. Who cannot be shown its growth is not asked."""
    try:
        old_size, proof = _continuation(remembered, question.head.size)
    except TileMissing as error:
        raise_alarm(
            code=error.code,
            witness_name=question.witness.name,
            sentence=f"It cannot be shown how the log grew from {remembered} entries. {error}",
            evidence={"checkpoint": question.note, "old_size": remembered},
            at=question.now(),
        )
        return
    asked = replace(question, old_size=old_size, proof=proof)
    _asked[question.witness.key] = (asked, _threads.submit(_hear, asked))


def _hear(question: Question) -> Heard:
    """Runs in a thread. What contradicts us is followed by a look at what the witness shows to anybody."""
    witness, head = question.witness, question.head
    answer = add_checkpoint(witness.url, old_size=question.old_size, proof=question.proof, note=question.note)
    verdict = judge(answer, key=witness.key, text=question.text, size=head.size, at_seconds=question.at.timestamp())
    is_contradiction = verdict.outcome in {"ahead", "fork"}
    return Heard(answer, verdict, read_checkpoint(witness.url, head.origin) if is_contradiction else None)


def _continuation(old_size: int, size: int) -> tuple[int, tuple[bytes, ...]]:
    # Size 0 makes it name the size that it holds: more than our head, and the log was rolled back.
    return (old_size, tuple(prove_consistency(old_size, size))) if old_size <= size else (0, ())


def _is_due(witness: PolicyWitness, memory: WitnessMemory, size: int, at: datetime) -> bool:
    has_refused = memory.state in {WitnessMemory.State.REFUSING, WitnessMemory.State.ALARM}
    if has_refused and memory.asked_at and memory.asked_at > at - PAUSE_AFTER_REFUSAL:
        return False
    fresh = Cosignature.objects.filter(size=size, witness_name=witness.name, key_id=witness.key.key_id)
    return not fresh.filter(received_at__gt=at - RECOSIGN_AFTER).exists()


def _is_overtaken(size: int) -> bool:
    return LogHead.objects.filter(pk=1, size__gt=size).exists()


def _memories(policy: LogPolicy, at: datetime) -> dict[str, WitnessMemory]:
    """Return what is known of each witness of the policy, and forget those that left it."""
    names = [witness.name for witness in policy.witnesses]
    WitnessMemory.objects.exclude(name__in=names).delete()
    memories = WitnessMemory.objects.in_bulk(names, field_name="name")
    for witness in policy.witnesses:
        memory = memories.setdefault(witness.name, WitnessMemory(name=witness.name))
        if (memory.key, memory.url) == (str(witness.key), witness.url):
            continue
        if memory.key != str(witness.key):
            WitnessKey.objects.bulk_create([WitnessKey(key=str(witness.key), named_at=at)], ignore_conflicts=True)
            memory.size, memory.state, memory.sentence = 0, WitnessMemory.State.NEW, ""
        memory.key, memory.url = str(witness.key), witness.url
        memory.save()
    return memories
