"""No purchase promises, prices or records access beyond the end of the consent that it stands on."""

from datetime import timedelta
from uuid import uuid4

import orjson
import pytest

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.access.services import issue_token
from marketplace.listings.entries import PlanTerms
from marketplace.listings.errors import PlanOutlivesConsent
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_consent, make_listing

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
MONTH = PlanTerms("period", 12 * EURO, 30 * 86_400)
HISTORY = PlanTerms("one_off", 5 * EURO)


@pytest.fixture
def listing_until(sara, now):
    """A live listing whose consent ends after a number of days."""

    def make(days, *plans, delay_seconds=0):
        consent = make_consent(sara, now, valid_until=now + days * DAY, delay_seconds=delay_seconds)
        return make_listing(sara, now, consent=consent, plans=plans)

    return make


@pytest.mark.parametrize("plan", [HISTORY, MONTH, PlanTerms("free", 0)])
def test_access_ends_with_the_consent_in_row_log_and_token(buy, rich_ben, listing_until, now, plan):
    end = now + 45 * DAY
    purchase = buy(listing=listing_until(45, plan))
    entry = orjson.loads(bytes(OutboxRow.objects.get(kind="purchase.recorded").body))
    assert purchase.access_until == end
    assert entry["access_until"] == "2026-04-28T09:26:53.000000Z"
    assert purchase.window_until == (now + 30 * DAY if plan == MONTH else now)

    sequence_batch(at=now)
    token, _ = issue_token(purchase=purchase, at=now)

    granted = orjson.loads(bytes(OutboxRow.objects.get(kind="access.granted").body))
    assert (token.expires_at, granted["expires_at"]) == (end, entry["access_until"])


def test_a_token_of_an_earlier_purchase_that_promised_more_ends_with_the_consent(buy, rich_ben, listing_until, now):
    purchase = buy(listing=listing_until(45, HISTORY))
    Purchase.objects.update(access_until=now + 365 * DAY)
    sequence_batch(at=now)
    token, _ = issue_token(purchase=purchase, at=now)
    assert token.expires_at == now + 45 * DAY


def test_a_consent_that_lasts_longer_changes_nothing(buy, rich_ben, listing_until, now):
    listing = listing_until(400, MONTH, HISTORY)
    assert buy(listing=listing, kind="period").access_until == now + 60 * DAY
    assert buy(listing=listing, kind="one_off").access_until == now + 365 * DAY


def test_what_comes_late_may_be_loaded_as_long_after(buy, rich_ben, listing_until, now):
    purchase = buy(listing=listing_until(400, MONTH, delay_seconds=7 * 86_400))
    assert (purchase.window_until, purchase.access_until) == (now + 30 * DAY, now + 67 * DAY)


@pytest.mark.parametrize(
    ("plan", "delay_days", "last_day"), [(MONTH, 0, 30), (MONTH, 7, 37), (HISTORY, 7, 7), (PlanTerms("free", 0), 7, 7)]
)
def test_it_is_sold_up_to_the_last_moment_that_it_can_be_served(
    buy, rich_ben, listing_until, now, plan, delay_days, last_day
):
    listing = listing_until(100, plan, delay_seconds=delay_days * 86_400)
    last = listing.consent.valid_until - last_day * DAY
    before = (Transfer.objects.count(), OutboxRow.objects.count(), balance_micros(account_of(rich_ben)))

    with pytest.raises(PlanOutlivesConsent) as refusal:
        buy(listing=listing, at=last + MOMENT)

    assert (refusal.value.code, refusal.value.details) == (
        "plan_outlives_consent",
        {"valid_until": "2026-06-22T09:26:53.000000Z"},
    )
    assert not Purchase.objects.exists()
    assert (Transfer.objects.count(), OutboxRow.objects.count(), balance_micros(account_of(rich_ben))) == before
    assert buy(listing=listing, at=last).access_until == listing.consent.valid_until


def test_the_history_is_sold_to_the_end_where_nothing_is_delayed(buy, rich_ben, listing_until):
    listing = listing_until(100, HISTORY)
    end = listing.consent.valid_until
    assert buy(listing=listing, at=end - MOMENT).access_until == end


def test_only_the_plan_that_is_too_long_is_refused(buy, rich_ben, listing_until, now):
    listing = listing_until(40, MONTH, PlanTerms("period", 4 * EURO, 7 * 86_400))
    later = now + 20 * DAY
    with pytest.raises(PlanOutlivesConsent):
        buy(listing=listing, plan=listing.plans.get(period_seconds=30 * 86_400), at=later)
    assert (
        buy(listing=listing, plan=listing.plans.get(period_seconds=7 * 86_400), at=later).access_until == now + 40 * DAY
    )


def test_a_repeat_returns_what_was_bought_in_time(buy, rich_ben, listing_until, now):
    listing, key = listing_until(30, MONTH), uuid4()
    first = buy(listing=listing, idempotency_key=key)
    assert buy(listing=listing, idempotency_key=key, at=now + DAY) == first
    assert Purchase.objects.count() == 1
