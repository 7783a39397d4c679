from celery import shared_task
from django.utils import timezone

from marketplace.access.services import forget_short_tokens


@shared_task
def forget_short_tokens_task() -> None:
    forget_short_tokens(at=timezone.now())
