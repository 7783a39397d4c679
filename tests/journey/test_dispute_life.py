"""A dispute from its opening to its end: the buyer complains, the owner answers, an operator gives half of it back."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.services import sequence_batch
from marketplace.accounts.groups import OPERATOR
from marketplace.accounts.models import User
from marketplace.invoices.services import issue_due
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing, start_clock
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet
from tests.conftest import make_person
from tests.journey.people import NewContext, fill_in, log_in, open_browser, send_form
from tests.journey.test_plan_kinds import tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def purchase(sara: User, ben: User) -> Purchase:
    at = timezone.now() - timedelta(hours=1)
    fill_wallet(ben, 8, at)
    listing = make_listing(sara, at, plans=[PlanTerms("one_off", 8 * EURO)])
    bought = buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=8 * EURO, at=at)
    start_clock(purchase=bought, at=at)
    issue_due(at=at)
    return bought


@pytest.fixture
def operator(db: None) -> User:
    person = make_person("operator")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name=OPERATOR))
    return person


def test_is_opened_answered_decided_and_paid(
    live_server: LiveServer,
    purchase: Purchase,
    operator: User,
    new_context: NewContext,
    mailoutbox: list[EmailMessage],
) -> None:
    people = (purchase.buyer, purchase.listing.seller, operator)
    ben, sara, decider = (logged_in(new_context, live_server, person) for person in people)
    tell(mailoutbox)
    complain(ben, purchase)
    assert len(tell(mailoutbox)) >= 1
    answer(sara)
    decide(decider)
    sequence_batch(at=timezone.now())
    issue_due(at=timezone.now())
    letters = tell(mailoutbox)
    assert "EUR 4.00 goes back for “Roof weather”" in [subject for subject, _ in letters]
    see_the_end(ben, purchase)
    sara.goto(f"/purchases/{purchase.public_id}/dispute/")
    expect(sara.locator("main")).to_contain_text("Half of the nights are wrong.")


def logged_in(new_context: NewContext, server: LiveServer, person: User) -> Page:
    page = open_browser(new_context, server)
    log_in(page, person.email)
    page.wait_for_url("**/home/")
    return page


def complain(page: Page, purchase: Purchase) -> None:
    page.goto(f"/purchases/{purchase.public_id}/")
    page.get_by_role("link", name="Open a dispute").click()
    page.locator('[name="reason"][value="wrong"]').check()
    send_form(fill_in(page, {"text": "Every night reads 85 degrees."}))
    expect(page.get_by_text("Your dispute is open.")).to_be_visible()


def answer(page: Page) -> None:
    page.goto("/disputes/")
    page.locator("main").get_by_role("link", name="Roof weather").first.click()
    expect(page.locator("main")).to_contain_text("Every night reads 85 degrees.")
    send_form(fill_in(page, {"text": "The shield was off for some weeks."}))
    expect(page.locator("main")).to_contain_text("The shield was off for some weeks.")


def decide(page: Page) -> None:
    page.goto("/admin/disputes/dispute/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Decide", exact=True).click()
    expect(page.locator("body")).to_contain_text("The shield was off for some weeks.")
    form = page.locator("form.ledger-form")
    form.locator('[name="refund"]').fill("4.00")
    form.locator('[name="text"]').fill("Half of the nights are wrong.")
    page.get_by_role("button", name="Decide", exact=True).click()
    expect(page.get_by_text("The dispute is decided. Both sides are told.")).to_be_visible()


def see_the_end(page: Page, purchase: Purchase) -> None:
    page.goto(f"/purchases/{purchase.public_id}/dispute/")
    expect(page.locator("main")).to_contain_text("Half of the nights are wrong.")
    expect(page.locator("main")).to_contain_text("EUR 4.00")
    page.goto("/invoices/")
    page.get_by_role("link", name=re.compile("^CN-")).first.click()
    expect(page.locator("main")).to_contain_text("EUR 4.00")
    page.goto("/wallet/")
    expect(page.locator("main")).to_contain_text("EUR 4.00")
