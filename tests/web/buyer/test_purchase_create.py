from uuid import uuid4

import pytest
from django.urls import reverse

from ledger.models import OutboxRow
from marketplace.listings.entries import PlanTerms
from marketplace.listings.services import change_price, withdraw_listing
from marketplace.purchases.models import Purchase
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_consent, make_listing
from tests.web.buyer.conftest import HTMX, fill_wallet, offer

pytestmark = pytest.mark.django_db


def address(listing):
    return reverse("purchase_create", args=[listing.public_id])


def assert_nothing_was_bought():
    assert not Purchase.objects.exists()
    assert not OutboxRow.objects.filter(kind="purchase.recorded").exists()


def test_shows_the_terms_before_money_is_spent(as_ben, ben, listing, at):
    fill_wallet(ben, at)
    page = as_ben.get(address(listing))
    assert page.status_code == 200
    for words in ("Buy for EUR\N{NO-BREAK SPACE}5.00", "Academic research", "EUR\N{NO-BREAK SPACE}15.00 after this"):
        assert words in page.text
    assert_nothing_was_bought()


@pytest.mark.parametrize(
    ("plan", "readings"),
    [
        (PlanTerms("metered", micros_per_1000_rows=EURO), "the new ones as they come"),
        (PlanTerms("trial", trial_rows=1_200), "the newest 1,200 rows up to the moment you buy"),
        (PlanTerms("trial", trial_seconds=86_400), "the new ones as they come"),
        (PlanTerms("free"), "from the first one until the moment you buy"),
    ],
    ids=["metered", "trial by rows", "trial by time", "history"],
)
def test_says_which_readings_the_plan_opens(as_ben, sara, at, plan, readings):
    page = as_ben.get(address(make_listing(sara, at, plans=(plan,))))
    row = page.text.split("<dt>Readings</dt>")[1].split("</div>")[0]
    assert readings in row
    assert ("the moment you buy" in row) is ("the moment you buy" in readings)


def test_buys_and_goes_to_the_purchase(as_ben, ben, listing, at):
    fill_wallet(ben, at)
    answer = as_ben.post(address(listing), offer(listing))
    purchase = Purchase.objects.get()
    assert (answer.status_code, answer.url) == (302, reverse("purchase_page", args=[purchase.public_id]))
    assert balance_micros(account_of(ben)) == 15 * EURO


def test_htmx_is_sent_to_the_purchase(as_ben, ben, listing, at):
    fill_wallet(ben, at)
    answer = as_ben.post(address(listing), offer(listing), **HTMX)
    assert answer.status_code == 200
    assert answer["HX-Redirect"] == reverse("purchase_page", args=[Purchase.objects.get().public_id])


def test_the_same_form_twice_buys_once(as_ben, ben, listing, at):
    fill_wallet(ben, at)
    fields = offer(listing)
    first = as_ben.post(address(listing), fields)
    second = as_ben.post(address(listing), fields)
    assert first.url == second.url
    assert Purchase.objects.count() == 1
    assert balance_micros(account_of(ben)) == 15 * EURO


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_changed_price_is_refused_with_the_new_one(as_ben, ben, listing, at, headers):
    fill_wallet(ben, at)
    fields = offer(listing)
    change_price(plan=listing.plans.get(), price_micros=7 * EURO, at=at)
    from ledger.services import sequence_batch

    sequence_batch(at=at)
    answer = as_ben.post(address(listing), fields, **headers)
    assert answer.status_code == 422
    assert "It is EUR\N{NO-BREAK SPACE}7.00 now" in answer.text
    assert "price_changed" in answer.text
    assert f'value="{7 * EURO}"' in answer.text
    assert ("<!DOCTYPE html>" in answer.text) is not bool(headers)
    assert_nothing_was_bought()


def test_too_little_money_is_refused_and_leads_to_the_missing_amount(as_ben, ben, listing, at):
    fill_wallet(ben, at, euros=2)
    answer = as_ben.post(address(listing), offer(listing))
    assert answer.status_code == 422
    assert "insufficient_funds" in answer.text
    assert "/wallet/?amount=3.00&amp;next=%2Flistings%2F" in answer.text
    assert_nothing_was_bought()
    assert balance_micros(account_of(ben)) == 2 * EURO


def test_the_checkout_says_beforehand_what_is_missing(as_ben, listing):
    page = as_ben.get(address(listing))
    assert "Your wallet lacks EUR\N{NO-BREAK SPACE}5.00" in page.text
    assert "Top up EUR\N{NO-BREAK SPACE}5.00" in page.text


def test_ones_own_listing_is_refused(as_sara, listing):
    answer = as_sara.post(address(listing), offer(listing))
    assert answer.status_code == 422
    assert "own_listing" in answer.text
    assert_nothing_was_bought()


def test_a_withdrawn_listing_is_not_sold(as_ben, ben, listing, at):
    fill_wallet(ben, at)
    fields = offer(listing)
    withdraw_listing(listing=listing, at=at)
    assert as_ben.post(address(listing), fields).status_code == 404
    assert_nothing_was_bought()


def test_the_plan_of_another_listing_is_refused(as_ben, ben, sara, listing, at):
    fill_wallet(ben, at)
    other = make_listing(sara, at, consent=make_consent(sara, at), title="Other")
    answer = as_ben.post(address(listing), offer(other))
    assert answer.status_code == 422
    assert_nothing_was_bought()


@pytest.mark.parametrize("change", [{"plan": "x"}, {"quoted_micros": "x"}, {"idempotency_key": ""}, {"plan": uuid4()}])
def test_a_broken_form_is_refused(as_ben, ben, listing, at, change):
    fill_wallet(ben, at)
    assert as_ben.post(address(listing), offer(listing, **change)).status_code == 422
    assert_nothing_was_bought()


def test_somebody_unknown_is_asked_to_log_in_and_comes_back(client, listing):
    answer = client.get(address(listing) + "?plan=1")
    assert answer.status_code == 302
    assert answer.url == f"/accounts/login/?next={address(listing)}%3Fplan%3D1"
    assert client.post(address(listing), offer(listing)).status_code == 302
    assert_nothing_was_bought()


def test_a_stranger_cannot_buy_what_is_for_named_people(as_mallory, mallory, sara, ben, at):
    fill_wallet(mallory, at)
    named = make_listing(sara, at, consent=make_consent(sara, at, audience="named", buyer_emails=[ben.email]))
    assert as_mallory.get(address(named)).status_code == 404
    assert as_mallory.post(address(named), offer(named)).status_code == 404
    assert_nothing_was_bought()


def test_a_free_plan_that_one_has_leads_to_its_purchase(as_ben, sara, ben, at):
    free = make_listing(sara, at, plans=[PlanTerms("free", 0)])
    assert as_ben.post(address(free), offer(free)).status_code == 302
    taken = Purchase.objects.get(buyer=ben)
    again = as_ben.post(address(free), offer(free))
    assert again.status_code == 422
    for page in (as_ben.get(address(free)), again):
        assert reverse("purchase_page", args=[taken.public_id]) in page.text
        assert 'name="idempotency_key"' not in page.text
    assert "already_purchased" in again.text
    assert Purchase.objects.count() == 1
