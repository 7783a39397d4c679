"""Trials, offers, versions and renewals: what is bought, what is refused, and nothing written when it is."""

from datetime import timedelta

import pytest

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.listings import errors as listing_errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.services import make_offer, retire_plan
from marketplace.notices.models import Notice
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase, PurchaseChange
from marketplace.purchases.services import (
    renew_due,
    reprice_and_tell,
    set_renewal,
    start_clock,
    start_due_clocks,
)
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONTHLY = PlanTerms("period", 10 * EURO, 30 * 86_400, is_renewing=True)
HOUR = PlanTerms("period", EURO, 3_600)
TRIAL = PlanTerms("trial", trial_rows=100)


@pytest.fixture
def subscription(sara, rich_ben, buy, now):
    """A renewing purchase whose clock started at once."""
    listing = make_listing(sara, now, title="Cellar", plans=[MONTHLY])
    purchase = buy(listing=listing)
    start_clock(purchase=purchase, at=now)
    return purchase


def refused(error, act):
    before = Purchase.objects.count(), Transfer.objects.count(), OutboxRow.objects.count()
    with pytest.raises(error) as caught:
        act()
    assert (Purchase.objects.count(), Transfer.objects.count(), OutboxRow.objects.count()) == before
    return caught.value


def test_an_hour_is_counted_from_the_first_load(sara, rich_ben, buy, now):
    purchase = buy(listing=make_listing(sara, now, title="Cellar", plans=[HOUR]))
    assert purchase.window_until == now + timedelta(hours=1)
    start_clock(purchase=purchase, at=now + 2 * DAY)
    start_clock(purchase=Purchase.objects.get(), at=now + 3 * DAY)
    purchase.refresh_from_db()
    assert (purchase.window_from, purchase.window_until) == (now, now + 2 * DAY + timedelta(hours=1))
    change = PurchaseChange.objects.get()
    assert (change.kind, change.window_until) == ("started", purchase.window_until)
    assert OutboxRow.objects.filter(entry_id=change.entry_id, kind="purchase.changed").exists()


def test_a_clock_starts_by_itself_after_a_week(sara, rich_ben, buy, now):
    buy(listing=make_listing(sara, now, title="Cellar", plans=[HOUR]))
    assert start_due_clocks(at=now + 7 * DAY - timedelta(seconds=1)) == 0
    assert start_due_clocks(at=now + 9 * DAY) == 1
    assert start_due_clocks(at=now + 9 * DAY) == 0
    assert Purchase.objects.get().window_until == now + 7 * DAY + timedelta(hours=1)


def test_a_trial_is_there_once_for_each_buyer_and_listing(sara, ben, mallory, buy, now):
    listing = make_listing(sara, now, title="Cellar", plans=[TRIAL])
    first = buy(listing=listing)
    assert (first.price_micros, first.is_trial) == (0, True)
    refusal = refused(errors.TrialTaken, lambda: buy(listing=listing, at=now + 100 * DAY))
    assert (refusal.code, refusal.details) == ("trial_taken", {"purchase": str(first.public_id)})
    assert buy(listing=listing, buyer=mallory).is_trial


def test_a_trial_by_time_ends_with_it(sara, buy, ben, now):
    purchase = buy(listing=make_listing(sara, now, title="Cellar", plans=[PlanTerms("trial", trial_seconds=86_400)]))
    assert purchase.window_from is None
    assert purchase.window_until == purchase.access_until == now + DAY


def test_an_offer_is_for_one_person(sara, rich_ben, mallory, listing, buy, now):
    fill_wallet(mallory, 50, now)
    terms = PlanTerms("one_off", 3 * EURO)
    plan = make_offer(listing=listing, terms=terms, email=rich_ben.email.upper(), until=now + DAY, at=now)
    refused(errors.PlanNotOffered, lambda: buy(plan=plan, buyer=mallory))
    notice = Notice.objects.get(kind="offer")
    assert (notice.user, notice.facts["price_micros"]) == (rich_ben, 3 * EURO)
    assert buy(plan=plan).price_micros == 3 * EURO
    assert refused(errors.OfferExpired, lambda: buy(plan=plan, at=now + DAY)).code == "offer_expired"
    retire_plan(plan=plan, at=now)
    assert refused(listing_errors.PlanRetired, lambda: buy(plan=plan)).code == "plan_retired"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"terms": PlanTerms("one_off", 0)}, listing_errors.PlanInvalid),
        ({"terms": PlanTerms("one_off", 15_000)}, listing_errors.PlanInvalid),
        ({"terms": PlanTerms("free")}, listing_errors.OfferInvalid),
        ({"email": " "}, listing_errors.OfferInvalid),
        ({"until": timedelta(0)}, listing_errors.OfferInvalid),
        ({"until": 91 * DAY}, listing_errors.OfferInvalid),
        ({"terms": PlanTerms("period", EURO, 366 * 86_400)}, listing_errors.PlanOutlivesConsent),
    ],
)
def test_refuses_what_is_no_offer(rich_ben, listing, now, changes, error):
    offer = {"terms": PlanTerms("one_off", EURO), "email": rich_ben.email, "until": DAY} | changes
    refused(error, lambda: make_offer(listing=listing, at=now, **(offer | {"until": now + offer["until"]})))
    assert not Notice.objects.exists()


def test_a_new_price_leaves_the_old_plan_to_those_who_have_it(subscription, rich_ben, buy, now):
    plan, listing = subscription.plan, subscription.listing
    new = reprice_and_tell(plan=plan, terms=PlanTerms("period", 12 * EURO, 30 * 86_400, is_renewing=True), at=now + DAY)
    plan.refresh_from_db()
    assert (plan.retired_at, new.replaces, new.price_micros) == (now + DAY, plan, 12 * EURO)
    refusal = refused(errors.PriceChanged, lambda: buy(listing=listing, plan=plan, quoted_micros=10 * EURO))
    assert refusal.details["price_micros"] == 12 * EURO
    facts = Notice.objects.get(kind="price_change").facts
    assert (facts["old_micros"], facts["new_micros"]) == (10 * EURO, 12 * EURO)
    subscription.refresh_from_db()
    assert (subscription.plan, subscription.price_micros) == (plan, 10 * EURO)


def test_a_purchase_renews_at_its_end_at_the_price_of_then(subscription, rich_ben, now):
    reprice_and_tell(
        plan=subscription.plan, terms=PlanTerms("period", 12 * EURO, 30 * 86_400, is_renewing=True), at=now + DAY
    )
    renew_due(at=now + 27 * DAY)
    renew_due(at=now + 28 * DAY)
    told = Notice.objects.get(kind="renewal")
    assert told.facts["price_micros"] == 12 * EURO
    assert Purchase.objects.count() == 1
    renew_due(at=now + 30 * DAY)
    renew_due(at=now + 30 * DAY)
    renewal = Purchase.objects.get(continues=subscription)
    assert (renewal.price_micros, renewal.transfer.kind) == (12 * EURO, "renewal")
    assert (renewal.window_from, renewal.window_until) == (now + 30 * DAY, now + 60 * DAY)
    assert balance_micros(account_of(rich_ben)) == (50 - 10 - 12) * EURO
    assert subscription.last_term() == renewal


def test_without_the_money_it_lapses_and_says_so(subscription, rich_ben, mallory, buy, listing, now):
    for _ in range(7):
        buy(listing=listing)
    renew_due(at=now + 31 * DAY)
    subscription.refresh_from_db()
    assert not subscription.is_renewing
    assert not Purchase.objects.filter(continues=subscription).exists()
    assert Notice.objects.filter(kind="payment_failure", user=rich_ben).count() == 1
    renew_due(at=now + 32 * DAY)
    assert Notice.objects.filter(kind="payment_failure").count() == 1


def test_the_buyer_switches_renewal_off_and_on(subscription, now):
    set_renewal(purchase=subscription, is_renewing=False, at=now + DAY)
    set_renewal(purchase=subscription, is_renewing=False, at=now + DAY)
    assert PurchaseChange.objects.filter(kind="renewal_off").count() == 1
    renew_due(at=now + 31 * DAY)
    assert Purchase.objects.count() == 1
    refused(errors.NotRenewing, lambda: set_renewal(purchase=subscription, is_renewing=True, at=now + 31 * DAY))
    set_renewal(purchase=subscription, is_renewing=True, at=now + 29 * DAY)
    renew_due(at=now + 30 * DAY)
    assert Purchase.objects.count() == 2


def test_what_does_not_renew_has_no_switch(buy, rich_ben, now):
    purchase = buy(kind="period")
    refused(errors.NotRenewing, lambda: set_renewal(purchase=purchase, is_renewing=True, at=now))


def test_a_retired_plan_does_not_renew(sara, rich_ben, buy, now):
    listing = make_listing(sara, now, title="Cellar", plans=[MONTHLY, PlanTerms("one_off", EURO)])
    purchase = buy(listing=listing)
    start_clock(purchase=purchase, at=now)
    retire_plan(plan=purchase.plan, at=now + DAY)
    sequence_batch(at=now + DAY)
    renew_due(at=now + 28 * DAY)
    assert Notice.objects.filter(kind="expiry").count() == 1
    renew_due(at=now + 30 * DAY)
    assert Purchase.objects.count() == 1
    assert PurchaseChange.objects.filter(kind="lapsed").count() == 1
