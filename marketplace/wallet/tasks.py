from celery import shared_task
from django.conf import settings
from django.utils import timezone

from marketplace.wallet.gateway.card_refunds import send_card_refunds
from marketplace.wallet.gateway.chargebacks import cover_all_debts
from marketplace.wallet.gateway.payouts import request_scheduled_payouts, send_payouts
from marketplace.wallet.gateway.receiving import follow_waiting_events
from marketplace.wallet.gateway.reconciling import reconcile
from marketplace.wallet.gateway.sending import send_due_messages
from marketplace.wallet.services import roll_up_balances


@shared_task(ignore_result=True)
def roll_up_balances_task() -> int:
    return roll_up_balances()


@shared_task(ignore_result=True)
def follow_waiting_events_task() -> int:
    now = timezone.now()
    return follow_waiting_events(at=now) + cover_all_debts(at=now)


@shared_task(ignore_result=True)
def send_due_messages_task() -> int:
    return send_due_messages(at=timezone.now()) if settings.PAYMENT_PROVIDER == "test" else 0


@shared_task(ignore_result=True)
def send_payouts_task() -> int:
    now = timezone.now()
    return send_payouts(at=now) + send_card_refunds(at=now)


@shared_task(ignore_result=True)
def request_scheduled_payouts_task() -> int:
    return request_scheduled_payouts(at=timezone.now())


@shared_task(ignore_result=True)
def reconcile_task() -> int:
    return reconcile(at=timezone.now()).finding_count
