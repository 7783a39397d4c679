"""Nudges: the rows are the to-do list, and beat finds what a lost nudge left."""

from celery import shared_task
from django.utils import timezone

from marketplace.notices.delivering import count_waiting_endpoints, forget_deliveries, serve_next_endpoint
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.mailing import BATCH, mail_notices
from marketplace.notices.nudge import clear_nudge

# A nudge that is not taken by then is not needed: the next sweep gives it again.
_NUDGE_SECONDS = 10


@shared_task
def dispatch_notices_task() -> None:
    clear_nudge()
    if dispatch_notices(at=timezone.now()):
        mail_notices_task.apply_async(retry=False)
        deliver_due_webhooks_task.apply_async(retry=False)


@shared_task
def mail_notices_task() -> None:
    while mail_notices(at=timezone.now()) == BATCH:
        pass


@shared_task
def deliver_due_webhooks_task() -> None:
    """Have as many workers deliver as there are endpoints to deliver to, up to a limit."""
    for _ in range(count_waiting_endpoints(at=timezone.now())):
        deliver_webhooks_task.apply_async(expires=_NUDGE_SECONDS, retry=False)


@shared_task
def deliver_webhooks_task() -> None:
    while serve_next_endpoint(at=timezone.now()):
        pass


@shared_task
def forget_deliveries_task() -> None:
    forget_deliveries(at=timezone.now())
