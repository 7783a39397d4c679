import time
from typing import Any

from celery import shared_task
from celery.signals import worker_init
from django.utils import timezone

from ledger.errors import SeedUnusable
from ledger.models import OutboxRow
from ledger.nudge import clear_gatherer_nudge, clear_nudge, nudge_gatherer, nudge_sequencer
from ledger.services import sequence_batch
from ledger.signing import log_signer
from ledger.witnessing import gather_cosignatures

MOST_BATCHES = 50
WAIT_SECONDS = 0.02
MOST_ROUNDS = 50
QUEUE = "ledger"


@shared_task
def sequence_task() -> None:
    """Empty the outbox, batch by batch; under lasting load hand over to a next task."""
    clear_nudge()
    for _ in range(MOST_BATCHES):
        if sequence_batch(at=timezone.now()):
            nudge_gatherer()
        elif not OutboxRow.objects.exists():
            return
        else:
            # Another sequencer holds the election and may have looked just before this record came.
            time.sleep(WAIT_SECONDS)
    nudge_sequencer()


@shared_task
def gather_cosignatures_task() -> None:
    """Show the newest checkpoint to the witnesses; while newer ones come, show them the newest of those."""
    clear_gatherer_nudge()
    for _ in range(MOST_ROUNDS):
        if not gather_cosignatures(at=timezone.now()):
            return
    nudge_gatherer()


@worker_init.connect
def require_key(sender: Any, **_: object) -> None:
    """A sequencer that could not sign must not start. Celery lets only SystemExit out of a signal."""
    if QUEUE not in sender.app.amqp.queues.consume_from:
        return
    try:
        log_signer()
    except SeedUnusable as error:
        raise SystemExit(str(error)) from error
