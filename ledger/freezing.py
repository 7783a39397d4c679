"""Stop the log and say why. While a freeze is not lifted nothing is signed, whichever process asks; records wait."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from ledger.errors import LogNotFrozen
from ledger.models import Alarm, LogFreeze, LogHead

logger = logging.getLogger(__name__)


@transaction.atomic(durable=True)
def freeze_log(
    *, code: str, sentence: str, evidence: dict[str, Any], at: datetime, witness_name: str = ""
) -> LogFreeze:
    """Freeze the log, unless it is frozen already, and raise the alarm that keeps this cause either way.

    Call it outside every transaction, after the refusal has undone its own: what it writes must outlive that.
    evidence: JSON; bytes as hex, notes as they were.
    """
    # Waits for the batch that is being signed, so that after the return none is.
    LogHead.objects.select_for_update().filter(pk=1).first()
    _write_alarm(code=code, witness_name=witness_name, sentence=sentence, evidence=evidence, at=at)
    fresh = LogFreeze(code=code, sentence=sentence, evidence=evidence, frozen_at=at)
    LogFreeze.objects.bulk_create([fresh], ignore_conflicts=True)
    freeze = LogFreeze.objects.latest("pk")
    logger.error("ledger.frozen", extra={"code": code, "freeze_id": freeze.pk})
    return freeze


def current_freeze() -> LogFreeze | None:
    return LogFreeze.objects.filter(lifted_at=None).first()


@transaction.atomic
def lift_freeze(*, by: str, reason: str, at: datetime) -> LogFreeze:
    """Let the log go on. The sequencer checks the head anew before it signs, and freezes again if it must.

    by, reason: not empty, kept for ever. Raises LogNotFrozen, ValueError.
    """
    if not by.strip() or not reason.strip():
        raise ValueError("Say who lifts the freeze, and why.")
    freeze = LogFreeze.objects.select_for_update().filter(lifted_at=None).first()
    if freeze is None:
        raise LogNotFrozen
    freeze.lifted_at, freeze.lifted_by, freeze.lifted_reason = at, by.strip(), reason.strip()
    freeze.save(update_fields=["lifted_at", "lifted_by", "lifted_reason"])
    logger.warning("ledger.freeze_lifted", extra={"freeze_id": freeze.pk})
    return freeze


@transaction.atomic(durable=True)
def raise_alarm(*, code: str, witness_name: str = "", sentence: str, evidence: dict[str, Any], at: datetime) -> Alarm:
    """Keep what must not happen to a log. The same once more, as each sweep finds it, is not written again."""
    return _write_alarm(code=code, witness_name=witness_name, sentence=sentence, evidence=evidence, at=at)


def _write_alarm(*, code: str, witness_name: str, sentence: str, evidence: dict[str, Any], at: datetime) -> Alarm:
    newest = Alarm.objects.filter(code=code, witness_name=witness_name).order_by("-pk").first()
    if newest is not None and (newest.sentence, newest.evidence) == (sentence, evidence):
        return newest
    logger.error("ledger.alarm", extra={"code": code, "witness": witness_name})
    return Alarm.objects.create(
        code=code, witness_name=witness_name, sentence=sentence, evidence=evidence, raised_at=at
    )
