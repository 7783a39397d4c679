import time
from typing import Any

from celery import shared_task
from celery.signals import worker_init
from django.utils import timezone

from ledger.audit_runs import continue_audit
from ledger.errors import KeyMalformed, SeedUnusable
from ledger.freezing import current_freeze
from ledger.models import OutboxRow
from ledger.nudge import AUDIT_TASK, clear_gatherer_nudge, clear_nudge, nudge_gatherer, nudge_sequencer
from ledger.services import sequence_batch
from ledger.signing import log_signer
from ledger.startup import compare_at_start
from ledger.witnessing import gather_cosignatures

MOST_BATCHES = 50
WAIT_SECONDS = 0.02
# Under load, a checkpoint each quarter of a second: each one costs its witnesses a request.
CHECKPOINT_SECONDS = 0.25
MOST_ROUNDS = 50
QUEUE = "ledger"
# When this process began the batch of its newest checkpoint.
_newest: dict[str, float] = {"began": -CHECKPOINT_SECONDS}


@shared_task
def sequence_task() -> None:
    """Empty the outbox, batch by batch; under lasting load hand over to a next task. A frozen log keeps it full."""
    clear_nudge()
    for _ in range(MOST_BATCHES):
        taken = _sequence_in_turn()
        if taken:
            nudge_gatherer()
        if not OutboxRow.objects.exists() or current_freeze():
            return
        if not taken:
            # Another sequencer holds the election and may have looked just before this record came.
            time.sleep(WAIT_SECONDS)
    nudge_sequencer()


def _sequence_in_turn() -> int:
    """Commit a batch: after a rest at once, under load a quarter of a second after the one before."""
    time.sleep(max(0.0, _newest["began"] + CHECKPOINT_SECONDS - time.monotonic()))
    began = time.monotonic()
    taken = sequence_batch(at=timezone.now())
    if taken:
        _newest["began"] = began
    return taken


@shared_task
def gather_cosignatures_task() -> None:
    """Show the newest checkpoint to the witnesses; while newer ones come, show them the newest of those."""
    clear_gatherer_nudge()
    for _ in range(MOST_ROUNDS):
        if not gather_cosignatures(at=timezone.now()):
            return
    nudge_gatherer()


@shared_task(name=AUDIT_TASK)
def audit_task() -> None:
    """Do the audit that waits. Its name keeps it out of the sequencer's queue, which it would hold up for minutes."""
    continue_audit(clock=timezone.now)


@worker_init.connect
def require_key(sender: Any, **_: object) -> None:
    """A sequencer that could not sign must not start. Celery lets only SystemExit out of a signal."""
    if QUEUE not in sender.app.amqp.queues.consume_from:
        return
    try:
        log_signer()
    except (SeedUnusable, KeyMalformed) as error:
        raise SystemExit(str(error)) from error
    compare_at_start()
