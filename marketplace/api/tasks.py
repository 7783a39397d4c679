"""Housekeeping of the API."""

from celery import shared_task
from django.utils import timezone

from marketplace.api.idempotency import forget_answers


@shared_task
def forget_answers_task() -> int:
    return forget_answers(at=timezone.now())
