from datetime import timedelta
from uuid import uuid4

import orjson
import pytest
from allauth.account.models import EmailAddress

from ledger.models import OutboxRow
from ledger.services import commit_subject, sequence_batch
from marketplace.consents.services import withdraw_consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.services import change_price, withdraw_listing
from marketplace.purchases import errors
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import release_earnings
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, unsound_accounts
from tests.builders import EURO, make_consent, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def refuses(buy, rich_ben):
    """Check that a purchase is refused for a reason and that nothing was written."""

    def check(reason, **changes):
        before = (Transfer.objects.count(), OutboxRow.objects.count(), Purchase.objects.count())
        with pytest.raises(reason) as refusal:
            buy(**changes)
        assert (Transfer.objects.count(), OutboxRow.objects.count(), Purchase.objects.count()) == before
        assert balance_micros(account_of(rich_ben)) == 50 * EURO
        return refusal.value

    return check


def test_the_price_shown_is_the_price_paid(buy, rich_ben, sara, now):
    purchase = buy()
    assert (purchase.price_micros, purchase.fee_micros, purchase.seller_micros) == (5 * EURO, 400_000, 4_600_000)
    assert purchase.transfer is not None
    assert purchase.transfer.reference == purchase.public_id
    assert balance_micros(account_of(rich_ben)) == 45 * EURO
    assert balance_micros(account_of(sara, "escrow")) == 5 * EURO
    assert (balance_micros(account_of(sara)), balance_micros(market_account("market_fee"))) == (0, 0)
    assert unsound_accounts() == []


def test_what_rounding_leaves_goes_to_its_own_account(buy, rich_ben, sara, settings, now):
    # Half a percent of EUR 5.00 is two cents and a half.
    settings.MARKET_FEE_BASIS_POINTS = 50
    purchase = buy()
    assert (purchase.fee_micros, purchase.seller_micros) == (20_000, 4_970_000)
    release_earnings(at=now + timedelta(days=14))
    assert balance_micros(account_of(sara, "payable")) == 4_970_000
    assert balance_micros(market_account("rounding")) == 10_000
    assert unsound_accounts() == []


def test_the_record_is_in_the_log_s_outbox_and_names_nobody(buy, rich_ben, sara, listing, now):
    purchase = buy()
    row = OutboxRow.objects.get(kind="purchase.recorded")
    assert (row.key, row.entry_id) == (purchase.public_id, purchase.entry_id)
    entry = orjson.loads(bytes(row.body))
    assert entry["refs"] == [str(purchase.public_id), str(listing.public_id), str(listing.consent.public_id)]
    assert entry["buyer"] == commit_subject(kind="person", subject_id=rich_ben.public_id)
    assert entry["seller"] == commit_subject(kind="person", subject_id=sara.public_id)
    assert (entry["price_micros"], entry["fee_micros"], entry["seller_micros"]) == ("5000000", "400000", "4600000")
    assert (entry["window_from"], entry["window_until"]) == (None, "2026-03-14T09:26:53.000000Z")
    text = bytes(row.body).decode()
    for private in (rich_ben.email, sara.email, str(rich_ben.public_id), str(sara.public_id), listing.title):
        assert private not in text


def test_it_is_recorded_once_the_log_was_signed(buy, rich_ben, now):
    purchase = buy()
    assert not Purchase.objects.recorded().exists()
    sequence_batch(at=now)
    assert Purchase.objects.recorded().get() == purchase


def test_a_one_off_opens_the_history_for_a_year(buy, rich_ben, now):
    purchase = buy()
    assert (purchase.window_from, purchase.window_until) == (None, now)
    assert purchase.access_until == now + timedelta(days=365)
    assert not purchase.is_active(now - timedelta(seconds=1))
    assert purchase.is_active(now)
    assert purchase.is_active(purchase.access_until - timedelta(seconds=1))
    assert not purchase.is_active(purchase.access_until)
    assert list(Purchase.objects.active_at(now)) == [purchase]
    assert not Purchase.objects.active_at(purchase.access_until).exists()


def test_a_period_opens_what_comes_from_now_on(buy, rich_ben, now):
    purchase = buy(kind="period")
    assert (purchase.window_from, purchase.window_until) == (now, now + timedelta(days=30))
    assert purchase.access_until == now + timedelta(days=60)


def test_a_free_plan_moves_no_money_and_is_recorded(buy, free_listing, ben):
    purchase = buy(listing=free_listing)
    assert (purchase.price_micros, purchase.transfer) == (0, None)
    assert OutboxRow.objects.get(kind="purchase.recorded").entry_id == purchase.entry_id
    assert not Transfer.objects.exists()


def test_a_free_plan_is_taken_once_while_its_access_lasts(buy, refuses, free_listing, mallory, now):
    first = buy(listing=free_listing)
    again = now + timedelta(days=1)
    refusal = refuses(errors.AlreadyPurchased, listing=free_listing, at=again, idempotency_key=uuid4())
    assert (refusal.code, refusal.details) == ("already_purchased", {"purchase": str(first.public_id)})
    assert buy(listing=free_listing, buyer=mallory, at=again).buyer == mallory
    assert buy(kind="one_off", at=again).plan.kind == "one_off"


def test_a_free_plan_may_be_taken_anew_when_its_access_is_over(buy, ben, sara, now):
    listing = make_listing(
        sara, now, consent=make_consent(sara, now, valid_until=now + timedelta(days=700)), plans=[PlanTerms("free", 0)]
    )
    first = buy(listing=listing, plan=listing.plans.get())
    second = buy(listing=listing, plan=listing.plans.get(), at=first.access_until)
    assert second != first


def test_a_repeat_of_taking_a_free_plan_returns_the_same_purchase(buy, free_listing, ben):
    key = uuid4()
    assert buy(listing=free_listing, idempotency_key=key) == buy(listing=free_listing, idempotency_key=key)


def test_a_repeat_returns_the_same_purchase(buy, rich_ben, listing, now):
    key = uuid4()
    first = buy(idempotency_key=key)
    withdraw_listing(listing=listing, at=now)
    assert buy(idempotency_key=key, at=now + timedelta(minutes=1)) == first
    assert balance_micros(account_of(rich_ben)) == 45 * EURO
    assert OutboxRow.objects.filter(kind="purchase.recorded").count() == 1


def test_a_repeat_with_other_content_is_refused(buy, rich_ben, listing):
    key = uuid4()
    buy(idempotency_key=key)
    with pytest.raises(errors.RequestRepeated):
        buy(idempotency_key=key, kind="period")
    assert balance_micros(account_of(rich_ben)) == 45 * EURO


def test_a_key_is_the_buyer_s_own(buy, rich_ben, mallory, now):
    key = uuid4()
    fill_wallet(mallory, 5, now)
    assert buy(idempotency_key=key) != buy(idempotency_key=key, buyer=mallory)


def test_without_a_key_the_same_may_be_bought_again(buy, rich_ben):
    assert buy() != buy()
    assert balance_micros(account_of(rich_ben)) == 40 * EURO


def test_rejects_a_changed_price(refuses, listing, now):
    plan = listing.plans.get(kind="one_off")
    change_price(plan=plan, price_micros=6 * EURO, at=now)
    sequence_batch(at=now)
    refusal = refuses(errors.PriceChanged, quoted_micros=5 * EURO)
    assert refusal.code == "price_changed"
    assert refusal.details == {"quoted_micros": 5 * EURO, "price_micros": 6 * EURO, "currency": "EUR"}


def test_rejects_too_little_money(buy, ben, now):
    fill_wallet(ben, 4, now)
    rows = OutboxRow.objects.count()
    with pytest.raises(InsufficientFunds) as refusal:
        buy()
    assert refusal.value.details == {"missing_micros": EURO}
    assert (Purchase.objects.count(), OutboxRow.objects.count()) == (0, rows)
    assert balance_micros(account_of(ben)) == 4 * EURO


def test_rejects_one_s_own_listing(refuses, sara):
    assert refuses(errors.OwnListing, buyer=sara).code == "own_listing"


def test_rejects_a_plan_of_another_listing(refuses, sara, now):
    other = make_listing(sara, now)
    refuses(errors.PlanNotOffered, plan=other.plans.get())


def test_rejects_a_listing_that_is_not_recorded_yet(refuses, sara, now):
    waiting = make_listing(sara, now, is_recorded=False)
    refuses(errors.ListingNotForSale, listing=waiting, plan=waiting.plans.get())


def test_rejects_a_withdrawn_listing(refuses, listing, now):
    withdraw_listing(listing=listing, at=now)
    refuses(errors.ListingNotForSale)


@pytest.mark.parametrize("seconds_after_the_click", [0, 1])
def test_rejects_a_withdrawn_consent(refuses, listing, now, seconds_after_the_click):
    withdraw_consent(consent=listing.consent, at=now + timedelta(seconds=seconds_after_the_click))
    refuses(errors.ListingNotForSale)


def test_rejects_a_consent_that_is_over(refuses, listing):
    refuses(errors.ListingNotForSale, at=listing.consent.valid_until)


@pytest.fixture
def named_listing(sara, now):
    consent = make_consent(sara, now, audience="named", buyer_emails=["Ben@example.test"])
    return make_listing(sara, now, consent=consent)


def test_a_named_buyer_may_buy(buy, rich_ben, named_listing):
    assert buy(listing=named_listing, plan=named_listing.plans.get()).buyer == rich_ben


def test_rejects_who_is_not_named(refuses, named_listing, mallory):
    refuses(errors.BuyerNotAllowed, listing=named_listing, plan=named_listing.plans.get(), buyer=mallory)


def test_rejects_a_named_address_that_was_not_verified(refuses, named_listing, ben):
    EmailAddress.objects.filter(user=ben).update(verified=False)
    refuses(errors.BuyerNotAllowed, listing=named_listing, plan=named_listing.plans.get())
