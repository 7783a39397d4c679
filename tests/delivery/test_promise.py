"""What was paid for and never came is paid back by itself, in the promised time."""

from datetime import timedelta

import pytest

from marketplace.delivery.promise import refund_what_never_came
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tasks import refund_what_never_came_task
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Refund
from marketplace.purchases.services import refund_on_request, start_clock
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO
from tests.builders_delivery import buy, make_stocked_listing, minutes
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
PERIOD = (PlanTerms("period", 12 * EURO, 30 * 86_400),)
HISTORY = (PlanTerms("one_off", 5 * EURO),)


@pytest.fixture
def sell(sara, ben, now):
    """Sell sara's listing to ben; return its device and the purchase."""

    def act(plans, **terms):
        fill_wallet(ben, 20, now)
        sender, listing = make_stocked_listing(sara, now, plans=plans, **terms)
        purchase = buy(listing, ben, now)
        refresh_table(listing=listing, at=now)
        return sender, purchase

    return act


def test_a_silent_device_costs_the_buyer_nothing(sell, ben, sara, now):
    _, purchase = sell(PERIOD)
    assert refund_what_never_came(at=now + 3 * DAY - timedelta(seconds=1)) == 0
    assert refund_what_never_came(at=now + 3 * DAY) == 1
    assert Refund.objects.get().reason == "not_delivered"
    assert (balance_micros(account_of(ben)), balance_micros(account_of(sara, "escrow"))) == (20 * EURO, 0)
    purchase.refresh_from_db()
    assert purchase.ended_at == now + 3 * DAY
    assert refund_what_never_came(at=now + 4 * DAY) == 0
    assert unsound_accounts() == []


def test_one_reading_in_the_window_keeps_the_promise(sell, now):
    sender, purchase = sell(PERIOD)
    sender.send(minutes(now + DAY, 1), now + DAY)
    refresh_table(listing=purchase.listing, at=now + DAY + timedelta(minutes=5))
    assert refund_what_never_came(at=now + 5 * DAY) == 0


def test_the_delay_comes_on_top(sell, now):
    sell(PERIOD, delay_seconds=86_400)
    assert refund_what_never_came(at=now + 4 * DAY - timedelta(seconds=1)) == 0
    assert refund_what_never_came(at=now + 4 * DAY) == 1


def test_a_history_that_is_there_is_kept(sell, now):
    sell(HISTORY)
    assert refund_what_never_came(at=now + 5 * DAY) == 0


def test_a_history_that_never_was_made_is_paid_back(sara, ben, now):
    fill_wallet(ben, 20, now)
    _, listing = make_stocked_listing(sara, now, plans=HISTORY)
    buy(listing, ben, now)
    assert refund_what_never_came(at=now + 5 * DAY) == 1
    assert balance_micros(account_of(ben)) == 20 * EURO


def test_what_was_loaded_or_given_back_is_left_alone(sell, now):
    _, purchase = sell(PERIOD)
    start_clock(purchase=purchase, at=now)
    assert refund_what_never_came(at=now + 5 * DAY) == 0


def test_what_the_buyer_gave_back_is_left_alone(sell, now):
    _, purchase = sell(PERIOD)
    refund_on_request(purchase=purchase, at=now)
    assert refund_what_never_came(at=now + 5 * DAY) == 0


def test_a_worker_looks_by_itself(sell, settings):
    sell(PERIOD)
    assert refund_what_never_came_task() == 1
    assert "marketplace.delivery.tasks.refund_what_never_came_task" in {
        entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()
    }
