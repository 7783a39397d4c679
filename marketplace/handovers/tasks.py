from celery import shared_task
from django.utils import timezone

from marketplace.handovers.services import forget_expired_offers


@shared_task(ignore_result=True)
def forget_expired_offers_task() -> None:
    forget_expired_offers(at=timezone.now())
