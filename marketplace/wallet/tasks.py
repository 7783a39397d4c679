from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketplace.wallet.gateway.receiving import follow_waiting_events
from marketplace.wallet.gateway.sending import send_due_messages
from marketplace.wallet.services import roll_up_balances


@shared_task(ignore_result=True)
def roll_up_balances_task() -> int:
    return roll_up_balances()


@shared_task(ignore_result=True)
def follow_waiting_events_task() -> int:
    return follow_waiting_events(at=timezone.now())


@shared_task(ignore_result=True)
def send_due_messages_task() -> int:
    return send_due_messages(at=timezone.now()) if settings.PAYMENT_PROVIDER == "test" else 0
