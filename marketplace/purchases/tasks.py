from celery import shared_task
from django.utils import timezone

from marketplace.purchases.books import check_books
from marketplace.purchases.ordering import fill_orders
from marketplace.purchases.reminding import remind_of_ends
from marketplace.purchases.services import bill_usage, release_earnings, renew_due, start_due_clocks


@shared_task(ignore_result=True)
def release_earnings_task() -> int:
    return release_earnings(at=timezone.now())


@shared_task(ignore_result=True)
def check_books_task() -> int:
    return check_books(at=timezone.now()).finding_count


@shared_task(ignore_result=True)
def remind_of_ends_task() -> int:
    return remind_of_ends(at=timezone.now())


@shared_task(ignore_result=True)
def renew_due_task() -> int:
    """Clocks first, for a period that has not started does not end."""
    now = timezone.now()
    start_due_clocks(at=now)
    return renew_due(at=now)


@shared_task(ignore_result=True)
def bill_usage_task() -> int:
    return bill_usage(at=timezone.now())


@shared_task(ignore_result=True)
def fill_orders_task() -> int:
    return fill_orders(at=timezone.now())
