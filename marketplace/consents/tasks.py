from celery import shared_task
from django.utils import timezone

from marketplace.consents.reminding import remind_owners


@shared_task(ignore_result=True)
def remind_owners_task() -> int:
    return remind_owners(at=timezone.now())
