"""Stop the log and say why. While a freeze is not lifted nothing is signed, whichever process asks; records wait.

The row in the database can be lifted by whoever has the application's role. So the signer keeps a mark of its own, a
file beside its memory, and freezes the log again where the mark stands and the row does not. lift_freeze takes both
away, and only where the signer's files are. Mark and row change while the head is locked, so no batch sees one alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from ledger.durable import write_durably
from ledger.errors import FreezeUndone, LogNotFrozen
from ledger.models import Alarm, LogFreeze, LogHead

logger = logging.getLogger(__name__)

# Alarms are kept for ever, and a witness is somebody else's machine: of one kind it gets one in this time.
BETWEEN_ALARMS = timedelta(hours=1)
LEFT_OUT = "left_out"
_left_out: Counter[tuple[str, str]] = Counter()


@transaction.atomic(durable=True)
def freeze_log(
    *, code: str, sentence: str, evidence: dict[str, Any], at: datetime, witness_name: str = ""
) -> LogFreeze:
    """Freeze the log, unless it is frozen already, and raise the alarm that keeps this cause either way.

    Call it outside every transaction, after the refusal has undone its own: what it writes must outlive that.
    evidence: JSON; bytes as hex, notes as they were.
    """
    wait_for_batch()
    _write_alarm(code=code, witness_name=witness_name, sentence=sentence, evidence=evidence, at=at)
    fresh = LogFreeze(code=code, sentence=sentence, evidence=evidence, frozen_at=at)
    LogFreeze.objects.bulk_create([fresh], ignore_conflicts=True)
    freeze = LogFreeze.objects.latest("pk")
    if Path(settings.LEDGER_MEMORY_FILE).exists():
        # Elsewhere the signer does it, as it sees the row.
        keep_mark()
    logger.error("ledger.frozen", extra={"code": code, "freeze_id": freeze.pk})
    return freeze


def freeze_mark() -> Path:
    memory = Path(settings.LEDGER_MEMORY_FILE)
    return memory.with_name(f"{memory.name}.frozen")


def keep_mark() -> None:
    """As the signer, while the log is frozen."""
    mark = freeze_mark()
    if mark.exists():
        return
    try:
        mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(mark, "The log is frozen. `manage.py lift_freeze` removes this file.\n")
    except OSError as error:
        # The row alone keeps the log frozen, as long as nobody lifts it.
        logger.warning("ledger.freeze_not_marked", extra={"reason": error.strerror})


def refuse_mark() -> None:
    """As the signer, when no row says that the log is frozen. Raises FreezeUndone."""
    if freeze_mark().exists():
        raise FreezeUndone


def current_freeze() -> LogFreeze | None:
    return LogFreeze.objects.filter(lifted_at=None).first()


@transaction.atomic
def lift_freeze(*, by: str, reason: str, at: datetime) -> LogFreeze:
    """Let the log go on. The sequencer checks the head anew before it signs, and freezes again if it must.

    Call it where the signer's files are.

    by, reason: not empty, kept for ever. Raises LogNotFrozen, ValueError.
    """
    if not by.strip() or not reason.strip():
        raise ValueError("Say who lifts the freeze, and why.")
    wait_for_batch()
    freeze = LogFreeze.objects.select_for_update().filter(lifted_at=None).first()
    if freeze is None and freeze_mark().exists():
        freeze = LogFreeze.objects.create(code=FreezeUndone.code, sentence=FreezeUndone.sentence, frozen_at=at)
    if freeze is None:
        raise LogNotFrozen
    freeze.lifted_at, freeze.lifted_by, freeze.lifted_reason = at, by.strip(), reason.strip()
    freeze.save(update_fields=["lifted_at", "lifted_by", "lifted_reason"])
    # Should this transaction fail, the signer marks the row that stays.
    freeze_mark().unlink(missing_ok=True)
    logger.warning("ledger.freeze_lifted", extra={"freeze_id": freeze.pk})
    return freeze


@transaction.atomic(durable=True)
def raise_alarm(*, code: str, witness_name: str = "", sentence: str, evidence: dict[str, Any], at: datetime) -> Alarm:
    """Keep what must not happen to a log. The same once more, as each sweep finds it, is not written again.

    Of one witness one alarm of each code is kept in an hour. The next says how many this process left out.
    """
    newest = _newest_alarm(code, witness_name)
    if newest and witness_name and abs(at - newest.raised_at) < BETWEEN_ALARMS:
        if not _repeats(newest, sentence, evidence):
            _left_out[code, witness_name] += 1
            logger.warning("ledger.alarm_left_out", extra={"code": code, "witness": witness_name})
        return newest
    return _write_alarm(code=code, witness_name=witness_name, sentence=sentence, evidence=evidence, at=at)


def wait_for_batch() -> None:
    """After the return none is being signed."""
    LogHead.objects.select_for_update().filter(pk=1).first()


def _write_alarm(*, code: str, witness_name: str, sentence: str, evidence: dict[str, Any], at: datetime) -> Alarm:
    newest = _newest_alarm(code, witness_name)
    if newest and _repeats(newest, sentence, evidence):
        return newest
    logger.error("ledger.alarm", extra={"code": code, "witness": witness_name})
    left_out = _left_out.pop((code, witness_name), 0)
    return Alarm.objects.create(
        code=code,
        witness_name=witness_name,
        sentence=sentence,
        evidence={**evidence, LEFT_OUT: left_out} if left_out else evidence,
        raised_at=at,
    )


def _newest_alarm(code: str, witness_name: str) -> Alarm | None:
    return Alarm.objects.filter(code=code, witness_name=witness_name).order_by("-pk").first()


def _repeats(alarm: Alarm, sentence: str, evidence: dict[str, Any]) -> bool:
    kept = {name: value for name, value in alarm.evidence.items() if name != LEFT_OUT}
    return (alarm.sentence, kept) == (sentence, evidence)
