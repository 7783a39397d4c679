"""Audits that a worker does: asked for once, walked chunk by chunk, and gone on with after whatever broke one off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from ledger.audit import LogAudit
from ledger.audit_kept import KeptWalk
from ledger.audit_report import AuditReport, Finding
from ledger.audit_tree import TileTree
from ledger.errors import AuditAtWork, LedgerError, NothingToGoOnFrom
from ledger.locks import AUDITING, elected_by
from ledger.models import AuditRun, Checkpoint, LogHead
from ledger.notes import parse_note, verify_note
from ledger.nudge import nudge_auditor
from ledger.signing import log_verifier_keys

logger = logging.getLogger(__name__)
State = AuditRun.State
_COUNTS = ("entry_count", "tile_count", "checkpoint_count", "cosignature_count", "receipt_count", "finding_count")


def request_audit(*, scope: str, by: Any, at: datetime) -> AuditRun:
    """Write down that an audit is wanted; a worker does it. by: the account that asks, or None.

    Raises AuditAtWork, NothingToGoOnFrom. Nothing is written when it raises.
    """
    if scope == AuditRun.Scope.INCREMENTAL:
        last_good_run()
    try:
        with transaction.atomic():
            run = AuditRun.objects.create(scope=scope, requested_by=by, requested_at=at)
    except IntegrityError as error:
        raise AuditAtWork from error
    transaction.on_commit(nudge_auditor, robust=True)
    logger.info("ledger.audit_requested", extra={"audit_id": run.public_id, "scope": scope})
    return run


def last_good_run() -> AuditRun:
    """Return the run that an incremental audit goes on from. Raises NothingToGoOnFrom.

    What that run noted down is believed only as far as the log's own key vouches for it: the root that it had reached
    must be the one of the signed checkpoint that is stored for its size. The walk then compares the noted hashes with
    that checkpoint again, because it starts at the last full tile before it.
    """
    run = AuditRun.objects.filter(state=State.GOOD).order_by("-size", "-pk").first()
    if run is None or run.size == 0:
        raise NothingToGoOnFrom
    stored = Checkpoint.objects.filter(size=run.size).first()
    try:
        if stored is None or bytes(stored.root_hash) != bytes(run.root_hash):
            raise NothingToGoOnFrom
        verify_note(parse_note(stored.note), log_verifier_keys())
        TileTree.from_state(run.resume)
    except (LedgerError, ValueError, KeyError, TypeError) as error:
        raise NothingToGoOnFrom from error
    return run


def continue_audit(*, clock: Callable[[], datetime]) -> AuditRun | None:
    """Do the audit that waits, or that a worker died over; None when there is none or another worker is at it.

    clock: an audit takes minutes, and says after each chunk when that was.
    """
    with elected_by(AUDITING) as is_elected:
        run = AuditRun.objects.filter(state__in=[State.WAITING, State.RUNNING]).first() if is_elected else None
        if run is None:
            return None
        try:
            with _begin(run, clock()) as audit:
                while not audit.is_at_end:
                    audit.walk()
                    _note_progress(run, audit, clock())
                _finish(run, audit, clock())
        except LedgerError as error:
            _break_off(run, str(error), clock())
        except Exception as error:
            # Otherwise each sweep would begin again what cannot end.
            _break_off(run, f"It broke off: {type(error).__name__}.", clock())
            raise
    return run


def report_of(run: AuditRun) -> AuditReport:
    findings = [Finding(**finding) for finding in run.findings]
    counts = {name: getattr(run, name) for name in _COUNTS}
    return AuditReport(run.size, bytes(run.root_hash), **counts, findings=findings)


def find_run(public_id: UUID) -> AuditRun | None:
    return AuditRun.objects.filter(public_id=public_id).first()


def _begin(run: AuditRun, at: datetime) -> LogAudit:
    if run.state == State.WAITING:
        head = LogHead.objects.get(pk=1)
        run.state, run.started_at = State.RUNNING, at
        run.size, run.root_hash = head.size, bytes(head.root_hash)
        if run.scope == AuditRun.Scope.INCREMENTAL:
            good = last_good_run()
            run.resume = {**good.resume, "kept": KeptWalk.after_run(good.started_at).state()}
    else:
        logger.warning("ledger.audit_resumed", extra={"audit_id": run.public_id, "position": run.position})
    # The head as it was signed, which is what this run audits; the stored one has moved on since.
    stored = Checkpoint.objects.filter(size=run.size).first()
    head = LogHead(size=run.size, root_hash=run.root_hash)
    if stored is not None:
        head.note, head.updated_at = stored.note, stored.signed_at
    current = LogHead.objects.get(pk=1)
    if current.size == run.size:
        head = current
    tree, kept = TileTree.from_state(run.resume), KeptWalk(**run.resume.get("kept", {}))
    run.position, run.updated_at = tree.position, at
    run.save()
    return LogAudit(head, tree, report_of(run), kept)


def _note_progress(run: AuditRun, audit: LogAudit, at: datetime) -> None:
    """Everything to go on from, in one row and so in one step; the rest of a tile is walked again."""
    run.position, run.updated_at = audit.position, at
    run.resume = {**audit.tree.state(), "kept": audit.kept.state()}
    _copy_report(run, audit.report)
    run.save()


def _finish(run: AuditRun, audit: LogAudit, at: datetime) -> None:
    report = audit.finish()
    _copy_report(run, report)
    run.state = State.GOOD if report.is_good else State.BAD
    run.position, run.finished_at, run.updated_at = run.size, at, at
    run.save()
    level = logging.INFO if report.is_good else logging.ERROR
    logger.log(level, "ledger.audited", extra={"audit_id": run.public_id, "findings": report.finding_count})


def _break_off(run: AuditRun, sentence: str, at: datetime) -> None:
    run.state, run.finished_at, run.updated_at = State.FAILED, at, at
    run.findings = [*run.findings, {"subject": "audit", "place": f"entry {run.position}", "sentence": sentence}]
    run.save()


def _copy_report(run: AuditRun, report: AuditReport) -> None:
    for name in _COUNTS:
        setattr(run, name, getattr(report, name))
    run.findings = report.findings_as_json()
