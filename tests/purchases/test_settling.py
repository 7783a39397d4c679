"""The worker that releases what is earned."""

from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction

from marketplace.celery import app
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import release_earnings, start_clock
from marketplace.purchases.tasks import release_earnings_task
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, unsound_accounts
from tests.builders import EURO

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def sums(sara):
    """What sara has on hold and earned, and what the market kept."""

    def look() -> tuple[int, int, int]:
        assert unsound_accounts() == []
        escrow, payable = balance_micros(account_of(sara, "escrow")), balance_micros(account_of(sara, "payable"))
        return escrow, payable, balance_micros(market_account("market_fee"))

    return look


def test_the_history_is_earned_when_it_can_not_be_returned_any_more(buy, rich_ben, now, sums):
    purchase = buy()
    assert release_earnings(at=now + 14 * DAY - timedelta(seconds=1)) == 0
    assert sums() == (5 * EURO, 0, 0)
    assert release_earnings(at=now + 14 * DAY) == 1
    assert sums() == (0, 4_600_000, 400_000)
    purchase.refresh_from_db()
    assert (purchase.released_micros, purchase.held_micros, purchase.release_due_at) == (5 * EURO, 0, None)
    assert release_earnings(at=now + 99 * DAY) == 0


def test_the_window_is_a_setting(buy, rich_ben, now, sums, settings):
    settings.REFUND_WINDOW_DAYS = 0
    buy()
    assert release_earnings(at=now) == 1
    assert sums() == (0, 4_600_000, 400_000)


def test_a_period_is_earned_day_by_day(buy, rich_ben, now, sums):
    purchase = buy(kind="period")
    start_clock(purchase=purchase, at=now)
    assert release_earnings(at=now + 10 * DAY) == 1
    # A third of EUR 12.00.
    assert sums() == (8 * EURO, 3_680_000, 320_000)
    assert release_earnings(at=now + 10 * DAY) == 0
    purchase.refresh_from_db()
    assert (purchase.released_seller_micros, purchase.released_fee_micros) == (3_680_000, 320_000)
    assert purchase.release_due_at == now + 11 * DAY
    assert release_earnings(at=now + 29.5 * DAY) == 1
    purchase.refresh_from_db()
    assert purchase.release_due_at == now + 30 * DAY
    assert release_earnings(at=now + 30 * DAY) == 1
    assert sums() == (0, 11_040_000, 960_000)


def test_nothing_of_a_period_is_earned_while_it_may_all_go_back(buy, rich_ben, now, sums):
    purchase = buy(kind="period")
    assert release_earnings(at=now + 10 * DAY) == 1
    assert sums() == (12 * EURO, 0, 0)
    purchase.refresh_from_db()
    assert purchase.release_due_at == now + 14 * DAY
    # Its clock started by itself on the seventh day.
    assert release_earnings(at=now + 17 * DAY) == 1
    assert sums() == (8 * EURO, 3_680_000, 320_000)


def test_a_fee_that_changes_later_changes_no_sale(buy, rich_ben, now, sums, settings):
    start_clock(purchase=buy(kind="period"), at=now)
    release_earnings(at=now + 10 * DAY)
    settings.MARKET_FEE_BASIS_POINTS = 5_000
    release_earnings(at=now + 30 * DAY)
    assert sums() == (0, 11_040_000, 960_000)


def test_a_free_purchase_holds_nothing(buy, free_listing, ben, now):
    purchase = buy(listing=free_listing)
    assert (purchase.held_micros, purchase.release_due_at) == (0, None)
    assert release_earnings(at=now + 99 * DAY) == 0
    assert not Transfer.objects.filter(kind="release").exists()


def test_many_are_released_in_portions(buy, rich_ben, now, sums):
    for _ in range(5):
        buy()
    assert release_earnings(at=now + 14 * DAY, most=2) == 5
    assert sums() == (0, 5 * 4_600_000, 5 * 400_000)


def test_the_clock_starts_once(buy, rich_ben, now):
    purchase = buy()
    start_clock(purchase=purchase, at=now + DAY)
    start_clock(purchase=Purchase.objects.get(), at=now + 2 * DAY)
    assert Purchase.objects.get().clock_started_at == now + DAY


def test_more_than_the_price_never_leaves(buy, rich_ben):
    purchase = buy()
    for change in ({"refunded_micros": 5 * EURO + 1}, {"released_micros": 1, "released_seller_micros": 2}):
        with pytest.raises(IntegrityError, match="purchase_money_fits"), transaction.atomic():
            Purchase.objects.filter(pk=purchase.pk).update(**change)


def test_the_worker_does_it_by_itself(buy, rich_ben, sums):
    buy()
    scheduled = django_settings.CELERY_BEAT_SCHEDULE["purchases-release"]["task"]
    app.loader.import_default_modules()
    assert scheduled in app.tasks
    assert release_earnings_task() == 1
    assert sums() == (0, 4_600_000, 400_000)
    assert not Refund.objects.exists()
