from celery import shared_task
from django.utils import timezone

from marketplace.invoices.services import issue_due, issue_settlements


@shared_task(ignore_result=True)
def issue_due_task() -> int:
    return issue_due(at=timezone.now())


@shared_task(ignore_result=True)
def issue_settlements_task() -> int:
    return issue_settlements(at=timezone.now())
