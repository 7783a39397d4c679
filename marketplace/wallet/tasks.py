from celery import shared_task

from marketplace.wallet.services import roll_up_balances


@shared_task(ignore_result=True)
def roll_up_balances_task() -> int:
    return roll_up_balances()
