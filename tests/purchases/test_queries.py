from datetime import UTC, datetime, timedelta

import pytest

from marketplace.purchases.models import MonthlySales, Purchase
from marketplace.purchases.services import release_earnings, start_clock
from tests.builders import EURO
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


def test_each_sees_their_own(buy, rich_ben, sara, mallory, now):
    fill_wallet(mallory, 5, now)
    bought, other = buy(), buy(buyer=mallory)
    assert list(Purchase.objects.for_buyer(rich_ben)) == [bought]
    assert set(Purchase.objects.of_seller(sara)) == {bought, other}
    assert not Purchase.objects.of_seller(mallory).exists()


def test_sales_by_month(buy, rich_ben, listing, free_listing, sara, now):
    buy()
    start_clock(purchase=buy(kind="period"), at=now)
    buy(listing=free_listing, at=now + timedelta(days=30))
    sales = Purchase.objects.of_seller(sara)
    release_earnings(at=now + timedelta(days=14))
    on_hold = 6_400_000
    march, april = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    assert sales.monthly_sales() == [
        MonthlySales(april, free_listing.public_id, "Cellar", "EUR", 1, 0, 0, 0, 0, 0, 0),
        MonthlySales(march, listing.public_id, "Roof weather", "EUR", 2, 17 * EURO, 0, on_hold, 848_000, 0, 9_752_000),
    ]
    assert sales.totals() == {
        "sale_count": 3,
        "paid_micros": 17 * EURO,
        "all_refunded_micros": 0,
        "on_hold_micros": on_hold,
        "charged_fee_micros": 848_000,
        "charged_tax_micros": 0,
        "earned_micros": 9_752_000,
    }


def test_nothing_sold_sums_to_zero(sara):
    assert set(Purchase.objects.of_seller(sara).totals().values()) == {0}
    assert Purchase.objects.of_seller(sara).monthly_sales() == []
