"""Buying with money that is on its way: it is bought when the provider says that it was paid, once, or not at all."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from marketplace.erasure.services import erase_account, erase_again
from marketplace.listings.entries import PlanTerms
from marketplace.listings.services import change_price
from marketplace.notices.models import Notice
from marketplace.purchases import ordering
from marketplace.purchases.errors import ListingNotForSale, OwnListing, PriceChanged, RequestRepeated
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.ordering import fill_orders, order_listing
from marketplace.purchases.services import buy_listing, count_rows, take_back_top_up, withdraw_consent_with_refunds
from marketplace.wallet.gateway.models import CardRefund
from marketplace.wallet.gateway.services import pay_at_test_provider
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import account_of, balance_micros, start_top_up, unsound_accounts
from tests.builders import EURO, make_listing
from tests.builders_gateway import say
from tests.builders_money import at_once, fill_wallet


def order(listing, buyer, at, key=None, quoted_micros=5 * EURO):
    return order_listing(
        listing=listing,
        plan=listing.plans.first(),
        buyer=buyer,
        quoted_micros=quoted_micros,
        at=at,
        idempotency_key=key or uuid4(),
    )


@pytest.fixture
def listing(sara, now):
    return make_listing(sara, now)


def pay(made, at, answer="pay"):
    pay_at_test_provider(top_up=made.top_up, answer=answer, at=at)
    fill_orders(at=at)
    made.refresh_from_db()
    return made


@pytest.mark.django_db
def test_asks_for_what_the_wallet_lacks_and_buys_when_it_is_paid(listing, ben, now):
    fill_wallet(ben, 2, now)
    made = order(listing, ben, now)
    assert (made.top_up.amount_micros, made.purchase, Purchase.objects.count()) == (3 * EURO, None, 0)
    assert fill_orders(at=now) == 0
    assert pay(made, now).purchase == Purchase.objects.get()
    assert (made.purchase.price_micros, balance_micros(account_of(ben))) == (5 * EURO, 0)
    assert fill_orders(at=now) == 0


@pytest.mark.django_db
def test_what_is_kept_for_use_is_not_counted_in(sara, listing, ben, now):
    fill_wallet(ben, 6, now)
    metered = make_listing(sara, now, plans=[PlanTerms("metered", micros_per_1000_rows=EURO)], title="By use")
    used = buy_listing(listing=metered, plan=metered.plans.get(), buyer=ben, quoted_micros=0, at=now)
    count_rows(purchase=used, row_count=2_000, at=now)
    made = order(listing, ben, now)
    assert made.top_up.amount_micros == EURO
    assert pay(made, now).purchase is not None
    assert balance_micros(account_of(ben)) == 2 * EURO


@pytest.mark.django_db
def test_what_the_wallet_holds_is_bought_at_once(listing, ben, now):
    fill_wallet(ben, 5, now)
    assert order(listing, ben, now) == Purchase.objects.get()
    assert not Order.objects.exists()


@pytest.mark.django_db
def test_a_repeat_is_the_same_order_and_a_webhook_twice_buys_once(listing, ben, now):
    key = uuid4()
    made = order(listing, ben, now, key)
    assert order(listing, ben, now, key) == made
    for _ in range(3):
        say(made.top_up, "payment.paid", now, id=uuid4())
        fill_orders(at=now)
    assert (Purchase.objects.count(), TopUp.objects.count(), balance_micros(account_of(ben))) == (1, 1, 0)


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["price", "consent"])
def test_what_is_not_sold_any_more_leaves_the_money_in_the_wallet_and_says_so(listing, ben, now, change):
    made = order(listing, ben, now)
    if change == "price":
        change_price(plan=made.plan, price_micros=6 * EURO, at=now)
    else:
        withdraw_consent_with_refunds(consent=listing.consent, at=now)
    pay(made, now + timedelta(seconds=1))
    assert made.refused_code == ("price_changed" if change == "price" else "listing_not_for_sale")
    assert (made.purchase, balance_micros(account_of(ben))) == (None, 5 * EURO)
    assert Notice.objects.get(kind="payment_failure").facts["reason"] == "order_refused"
    assert not unsound_accounts()


@pytest.mark.django_db
def test_a_declined_payment_ends_the_order_and_one_that_comes_after_all_stays_money(listing, ben, now):
    made = pay(order(listing, ben, now), now, "decline")
    assert (made.refused_code, made.purchase) == ("payment_declined", None)
    say(made.top_up, "payment.paid", now, id=uuid4())
    assert fill_orders(at=now) == 0
    assert (Purchase.objects.count(), balance_micros(account_of(ben))) == (0, 5 * EURO)


@pytest.mark.django_db
def test_nobody_starts_to_pay_for_what_is_not_sold_to_him(listing, sara, ben, now):
    with pytest.raises(OwnListing):
        order(listing, sara, now)
    with pytest.raises(PriceChanged):
        order(listing, ben, now, quoted_micros=4 * EURO)
    withdraw_consent_with_refunds(consent=listing.consent, at=now)
    with pytest.raises(ListingNotForSale):
        order(listing, ben, now)
    assert (Order.objects.count(), TopUp.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_eight_sweeps_at_once_buy_once(listing, ben, now):
    made = order(listing, ben, now)
    pay_at_test_provider(top_up=made.top_up, answer="pay", at=now)
    found = at_once([partial(fill_orders, at=now) for _ in range(8)])
    assert sum(count for count in found if isinstance(count, int)) == 1, found
    assert (Purchase.objects.count(), balance_micros(account_of(ben))) == (1, 0)
    assert not unsound_accounts()


@pytest.mark.django_db
def test_the_pages_lead_from_the_checkout_to_the_purchase(client, sara, ben, mallory):
    at = timezone.now() - timedelta(minutes=1)
    listing = make_listing(sara, at)
    client.force_login(ben)
    checkout = client.get(reverse("purchase_create", args=[listing.public_id])).content.decode()
    assert "Pay EUR\N{NO-BREAK SPACE}5.00 and buy" in checkout
    asked = {"plan": listing.plans.get().public_id, "quoted_micros": 5 * EURO, "idempotency_key": uuid4()}
    made = client.post(reverse("order_create", args=[listing.public_id]), asked)
    top_up, page = TopUp.objects.get(), reverse("order_page", args=[Order.objects.get().public_id])
    assert made["Location"] == f"{reverse('top_up_page', args=[top_up.public_id])}?next={page.replace('/', '%2F')}"
    assert "has not told us yet" in client.get(page).content.decode()
    paid = client.post(
        reverse("top_up_outcome", args=[top_up.public_id]), {"outcome": "pay", "order": "twice", "next": page}
    )
    assert paid["Location"] == page
    assert client.get(page)["Location"] == reverse("purchase_page", args=[Purchase.objects.get().public_id])
    again = client.post(reverse("order_create", args=[listing.public_id]), asked | {"quoted_micros": 1})
    assert again.status_code == 422
    assert Purchase.objects.count() == 1
    client.force_login(mallory)
    assert client.get(page).status_code == 404


@pytest.mark.django_db
def test_a_key_is_for_one_order(listing, sara, ben, now):
    other = make_listing(sara, now, title="Other", plans=[PlanTerms("one_off", 9 * EURO)])
    key = uuid4()
    first = order(listing, ben, now, key)
    assert order(listing, ben, now, key) == first
    with pytest.raises(RequestRepeated):
        order(other, ben, now, key, quoted_micros=9 * EURO)
    assert (Order.objects.count(), TopUp.objects.count()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("answer", ["decline", "pay, too late", None])
def test_who_ordered_can_be_erased(listing, ben, now, answer):
    made = order(listing, ben, now)
    if answer == "pay, too late":
        withdraw_consent_with_refunds(consent=listing.consent, at=now)
        pay(made, now)
        take_back_top_up(
            top_up=TopUp.objects.get(), amount_micros=5 * EURO, idempotency_key=uuid4(), at=now + timedelta(minutes=1)
        )
        CardRefund.objects.update(state=CardRefund.State.PAID, settled_at=now)
    elif answer:
        pay(made, now, answer)
    erase = erase_account if answer else erase_again
    erase(user=ben, at=now + timedelta(minutes=2))
    assert not Order.objects.exists()
    assert TopUp.objects.filter(state=TopUp.State.PAID).count() == TopUp.objects.count() == (answer == "pay, too late")


@pytest.mark.django_db
def test_asks_for_what_a_dispute_took_of_what_was_used(listing, sara, ben, now):
    top_up = start_top_up(user=ben, amount_micros=6 * EURO, at=now)
    pay_at_test_provider(top_up=top_up, answer="pay", at=now)
    by_use = make_listing(sara, now, plans=[PlanTerms("metered", micros_per_1000_rows=EURO)])
    used = buy_listing(listing=by_use, plan=by_use.plans.get(), buyer=ben, quoted_micros=0, at=now)
    count_rows(purchase=used, row_count=2_000, at=now)
    say(top_up, "dispute.opened", now)
    made = order(listing, ben, now)
    assert made.top_up.amount_micros == 7 * EURO
    assert pay(made, now).purchase is not None


@pytest.mark.django_db(transaction=True)
def test_one_order_that_can_not_be_filled_now_holds_up_no_other(listing, ben, mallory, now, monkeypatch):
    orders = [order(listing, buyer, now) for buyer in (ben, mallory)]
    for made in orders:
        pay_at_test_provider(top_up=made.top_up, answer="pay", at=now)

    def fail_for_ben(**asked):
        if asked["buyer"] == ben:
            raise OperationalError
        return buy_listing(**asked)

    with monkeypatch.context() as patch:
        patch.setattr(ordering, "buy_listing", fail_for_ben)
        assert fill_orders(at=now) == 1
    assert fill_orders(at=now) == 1
    assert Purchase.objects.count() == 2
