"""Paying in a browser: by Stripe's Checkout, against a stand-in, and at the built-in provider's page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.purchases.models import Purchase
from marketplace.wallet.gateway.services import open_checkout, send_card_refunds
from marketplace.wallet.services import start_top_up
from tests.builders import make_listing
from tests.builders_money import EURO
from tests.fake_stripe import WEBHOOK_SECRET, FakeStripe, event_of, post_event, running_fake
from tests.journey.people import NewContext, figure, fill_in, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stripe_here(settings: Any) -> Iterator[FakeStripe]:
    with running_fake() as fake:
        settings.PAYMENT_PROVIDER = "stripe"
        settings.STRIPE_SECRET_KEY = "sk_test_of_the_tests"
        settings.STRIPE_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
        settings.STRIPE_API_ADDRESS = fake.address
        yield fake


def start(page: Page, email: str) -> None:
    log_in(page, email)
    page.wait_for_url("**/home/")
    page.goto("/wallet/")
    send_form(fill_in(page, {"amount": "12.40"}))


@pytest.mark.parametrize("java_script", [True, False], ids=["script", "no script"])
def test_a_stripe_checkout_with_webhooks_twice_and_out_of_order(
    live_server: LiveServer, ben: User, stripe_here: FakeStripe, new_context: NewContext, java_script: bool
) -> None:
    page = open_browser(new_context, live_server, java_script_enabled=java_script)
    start(page, ben.email)
    page.get_by_role("link", name="Go to the payment").click()
    page.get_by_role("link", name="Pay 1240").click()
    page.wait_for_url(re.compile("returned=1"))
    expect(page.locator("main")).to_contain_text("has not told us yet")
    (session,) = stripe_here.of("checkout.session")
    now = timezone.now()
    paid = event_of("checkout.session.completed", session | {"payment_status": "paid"}, now)
    dispute = event_of(
        "charge.dispute.funds_withdrawn",
        {"id": "dp_1", "amount": 1240, "currency": "eur", "payment_intent": session["payment_intent"]},
        now,
    )
    won = event_of("charge.dispute.funds_reinstated", dispute["data"]["object"], now)
    for event in (won, dispute, paid, paid, won, dispute):
        assert post_event(event, now).status_code == 200
    if not java_script:
        page.get_by_role("link", name="Look again").click()
    page.get_by_role("link", name="Back to your wallet").click()
    expect(figure(page, "Balance")).to_have_text("EUR 12.40")
    expect(page.locator("main")).to_contain_text("Chargeback")


@pytest.mark.parametrize(
    ("order", "button", "balance"),
    [
        ("Each twice", "Pay EUR 12.40", "EUR 12.40"),
        ("In the wrong order", "Pay, then dispute it", "EUR 0.00"),
        ("Once, in order", "Decline the payment", "EUR 0.00"),
    ],
    ids=["twice", "wrong order", "declined"],
)
def test_the_built_in_provider(
    live_server: LiveServer, ben: User, new_context: NewContext, order: str, button: str, balance: str
) -> None:
    page = open_browser(new_context, live_server)
    start(page, ben.email)
    page.get_by_label("How its messages reach the market").select_option(order)
    page.get_by_role("button", name=button).click()
    page.goto("/wallet/")
    expect(figure(page, "Balance")).to_have_text(balance)


def test_a_purchase_is_paid_by_stripe_and_made_when_the_money_is_there(
    live_server: LiveServer, sara: User, ben: User, stripe_here: FakeStripe, new_context: NewContext
) -> None:
    listing = make_listing(sara, timezone.now() - timedelta(minutes=1))
    page = open_browser(new_context, live_server)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    page.goto(f"/listings/{listing.public_id}/")
    page.locator("#plans .plan").get_by_role("link").click()
    page.get_by_role("button", name="Pay EUR 5.00 and buy").click()
    page.get_by_role("link", name="Go to the payment").click()
    page.get_by_role("link", name="Pay 500").click()
    page.wait_for_url(re.compile("returned=1"))
    assert not Purchase.objects.exists()
    (session,) = stripe_here.of("checkout.session")
    now = timezone.now()
    paid = event_of("checkout.session.completed", session | {"payment_status": "paid"}, now)
    for event in (paid, paid):
        assert post_event(event, now).status_code == 200
    page.get_by_role("link", name="Back to the purchase").click()
    page.wait_for_url(re.compile(r"/purchases/[0-9a-f-]{36}/$"))
    assert Purchase.objects.get().price_micros == 5_000_000
    page.goto("/wallet/")
    expect(figure(page, "Balance")).to_have_text("EUR 0.00")


def test_unspent_money_goes_back_to_the_card(
    live_server: LiveServer, ben: User, stripe_here: FakeStripe, new_context: NewContext
) -> None:
    page = open_browser(new_context, live_server)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    fill_wallet_by_stripe(ben, 12, stripe_here)
    page.goto("/wallet/")
    page.get_by_role("link", name="Take money back").click()
    page.get_by_role("link", name="Take back of EUR 12.00").click()
    for amount in ("99", "7.50"):
        page.get_by_label("Amount in EUR").fill(amount)
        page.get_by_role("button", name="Continue").click()
        if amount == "99":
            expect(page.get_by_text("That is more than can go back by this payment.", exact=True)).to_be_visible()
    page.get_by_role("button", name="Take back EUR 7.50").click()
    page.wait_for_url(re.compile(r"/wallet/refunds/[0-9a-f-]{36}/$"))
    now = timezone.now()
    send_card_refunds(at=now)
    (made,) = stripe_here.of("refund")
    assert made["amount"] == 750
    paid = event_of("refund.updated", made | {"status": "succeeded"}, now)
    for event in (paid, paid):
        assert post_event(event, now).status_code == 200
    page.reload()
    expect(page.get_by_text("Paid back").first).to_be_visible()
    page.goto("/notices/")
    expect(page.get_by_role("link", name="EUR 7.50 is paid back to you")).to_be_visible()
    page.goto("/wallet/")
    expect(figure(page, "Balance")).to_have_text("EUR 4.50")
    expect(page.get_by_text("Paid back to the payment method")).to_be_visible()


def fill_wallet_by_stripe(ben: User, euros: int, stripe_here: FakeStripe) -> None:
    now = timezone.now()
    open_checkout(top_up=start_top_up(user=ben, amount_micros=euros * EURO, at=now), return_address="http://back.test/")
    session = stripe_here.of("checkout.session")[-1] | {"payment_status": "paid"}
    assert post_event(event_of("checkout.session.completed", session, now), now).status_code == 200
