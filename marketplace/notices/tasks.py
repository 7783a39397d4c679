"""Nudges: the rows are the to-do list, and beat finds what a lost nudge left."""

from celery import shared_task
from django.utils import timezone

from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.mailing import BATCH, mail_notices
from marketplace.notices.nudge import clear_nudge


@shared_task
def dispatch_notices_task() -> None:
    clear_nudge()
    if dispatch_notices(at=timezone.now()):
        mail_notices_task.apply_async(retry=False)


@shared_task
def mail_notices_task() -> None:
    while mail_notices(at=timezone.now()) == BATCH:
        pass
