"""What buyers are told about the end of the consent, before they pay and instead of paying."""

from datetime import UTC, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from marketplace.wallet.services import account_of, balance_micros
from marketplace.web.formats import end_text, exact_text
from tests.builders import EURO, make_consent, make_listing
from tests.web.buyer.conftest import HTMX, fill_wallet, offer

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
WEEK, MONTH = PlanTerms("period", 2 * EURO, 7 * 86_400), PlanTerms("period", 5 * EURO, 30 * 86_400)
TOO_LONG = "this plan would last longer"


def listing_until(sara, at, days, *plans):
    """Published long before, under a consent that ends so many days from now."""
    start = at - 40 * DAY
    consent = make_consent(sara, start, valid_until=at + days * DAY)
    return make_listing(sara, start, consent=consent, plans=plans)


def checkout(listing):
    return reverse("purchase_create", args=[listing.public_id])


def test_says_the_true_date(client, as_ben, sara, at):
    listing = listing_until(sara, at, 35, MONTH)
    end = listing.consent.valid_until
    promise = f"Load it until {end_text(end, UTC)}, when the owner’s consent ends"
    assert promise in client.get(reverse("listing_page", args=[listing.public_id])).text
    page = as_ben.get(checkout(listing)).text
    assert promise in page
    assert "<dt>Load them until</dt>" in page
    assert f"{exact_text(end, UTC)}</time>, or earlier if the owner withdraws" in page


def test_a_longer_consent_leaves_the_whole_term(client, sara, at):
    listing = listing_until(sara, at, 400, MONTH, PlanTerms("one_off", EURO))
    page = client.get(reverse("listing_page", args=[listing.public_id])).text
    assert "Load it until 30 days after the last one arrived" in page
    assert "Load it as often as you like for 365 days" in page


def test_a_plan_that_is_too_long_has_no_button_and_no_promise(client, as_ben, sara, at):
    listing = listing_until(sara, at, 20, MONTH, WEEK)
    month, week = listing.plans.all()
    page = client.get(reverse("listing_page", args=[listing.public_id])).text
    assert TOO_LONG in page
    assert f"?plan={week.public_id}" in page
    assert f"?plan={month.public_id}" not in page
    assert "for 30 days" not in page
    assert page.index("The next 7 days") < page.index("The next 30 days")
    step = as_ben.get(checkout(listing), {"plan": month.public_id}).text
    assert TOO_LONG in step
    assert "<dt>Load them until</dt>" not in step
    assert "idempotency_key" not in step


def test_the_catalogue_prices_only_what_can_be_bought(client, sara, at):
    listing_until(sara, at, 20, MONTH, PlanTerms("period", 9 * EURO, 7 * 86_400))
    listing_until(sara, at, 20, MONTH)
    for page in (client.get(reverse("catalogue")).text, client.get(reverse("landing")).text):
        assert "EUR\N{NO-BREAK SPACE}9.00" in page
        assert "EUR\N{NO-BREAK SPACE}5.00" not in page
        assert "Not sold any more" in page


def test_says_so_when_no_plan_can_be_bought(client, sara, at):
    listing = listing_until(sara, at, 20, MONTH)
    page = client.get(reverse("listing_page", args=[listing.public_id])).text
    assert "The owner’s consent ends before any of these plans would" in page
    assert "See the plans" not in page


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_refuses_and_charges_nothing(as_ben, ben, sara, at, headers):
    fill_wallet(ben, at)
    listing = listing_until(sara, at, 20, MONTH, WEEK)
    answer = as_ben.post(checkout(listing), offer(listing), **headers)
    assert answer.status_code == 422
    assert "plan_outlives_consent" in answer.text
    assert not Purchase.objects.exists()
    assert not OutboxRow.objects.filter(kind="purchase.recorded").exists()
    assert balance_micros(account_of(ben)) == 20 * EURO


def test_warns_before_the_same_is_bought_again(as_ben, as_mallory, ben, sara, at):
    fill_wallet(ben, at)
    listing = listing_until(sara, at, 400, MONTH)
    plan = listing.plans.get()
    warning = "You have “The next 30 days” of this listing already"
    assert warning not in as_ben.get(checkout(listing)).text
    buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=timezone.now())
    page = as_ben.get(checkout(listing)).text
    assert warning in page
    assert "Buying again is charged again." in page
    assert "Buy for" in page
    assert warning not in as_mallory.get(checkout(listing)).text
    assert "You bought “The next 30 days”" in as_ben.get(reverse("listing_page", args=[listing.public_id])).text
