"""Every kind of plan as a buyer meets it: bought, used up to a cap, repriced, renewed, and cut off by a withdrawal."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.mail import EmailMessage
from django.utils import timezone
from playwright.sync_api import APIResponse, Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.delivery.services import refresh_table
from marketplace.invoices.services import issue_due
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.mailing import mail_notices
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import renew_due
from tests.builders import EURO, make_listing
from tests.builders_delivery import make_stocked_listing
from tests.builders_money import fill_wallet
from tests.journey.people import NewContext, fill_in, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)

ROWS = 60
RENEWING = "30 days at a time, renewing"
PLANS = (
    PlanTerms("one_off", 5 * EURO),
    PlanTerms("period", 9 * EURO, 30 * 86_400, is_renewing=True),
    PlanTerms("period", 2 * EURO, 86_400),
    PlanTerms("metered", micros_per_1000_rows=EURO),
    PlanTerms("trial", trial_rows=100),
)


@pytest.fixture
def listing(sara: User, ben: User) -> Listing:
    at = timezone.now() - timedelta(hours=1)
    _, listing = make_stocked_listing(sara, at, plans=PLANS)
    fill_wallet(ben, 100, at)
    refresh_table(listing=listing, at=at)
    return listing


@pytest.fixture
def free(sara: User, listing: Listing) -> Listing:
    """The history costs nothing or something; so what is free is a listing of its own."""
    at = timezone.now() - timedelta(hours=1)
    return make_listing(sara, at, consent=listing.consent, title="Free weather", plans=[PlanTerms("free")])


@pytest.fixture
def pages(live_server: LiveServer, sara: User, ben: User, new_context: NewContext) -> tuple[Page, Page]:
    """Sara's browser and ben's."""
    found = []
    for person in (sara, ben):
        page = open_browser(new_context, live_server)
        log_in(page, person.email)
        page.wait_for_url("**/home/")
        found.append(page)
    return found[0], found[1]


def buy(page: Page, listing: Listing, words: str, button: str) -> None:
    """words: of the plan's card, such as its name."""
    page.goto(f"/listings/{listing.public_id}/")
    page.locator("#plans .plan", has_text=words).get_by_role("link").first.click()
    page.get_by_role("button", name=button, exact=True).click()
    page.wait_for_url(re.compile(r"/purchases/[0-9a-f-]{36}/$"))
    make_ready(listing)


def make_ready(listing: Listing) -> None:
    """What the worker does within seconds."""
    sequence_batch(at=timezone.now())
    refresh_table(listing=listing, at=timezone.now())


def tell(outbox: list[EmailMessage]) -> list[tuple[str, str]]:
    """Send what waits, and return the new letters: subject and text."""
    before = len(outbox)
    dispatch_notices(at=timezone.now())
    mail_notices(at=timezone.now())
    texts = [(str(mail.subject), str(mail.body)) for mail in outbox[before:]]
    return [(subject.replace("\xa0", " "), text.replace("\xa0", " ")) for subject, text in texts]


def take_token(page: Page) -> str:
    """The page shows the first one by itself, once."""
    page.reload()
    return page.locator("#secret-value").inner_text()


def table_of(page: Page, token: str) -> str:
    """Where the readings of a token's purchase are queried, as a client of Delta Sharing finds them."""
    headers = {"Authorization": f"Bearer {token}"}
    (share,) = page.request.get("/delta-sharing/shares", headers=headers).json()["items"]
    tables = page.request.get(f"/delta-sharing/shares/{share['name']}/all-tables", headers=headers).json()["items"]
    (table,) = (table for table in tables if table["name"] == "readings")
    return f"/delta-sharing/shares/{share['name']}/schemas/{table['schema']}/tables/{table['name']}/query"


def load(page: Page, table: str, token: str) -> APIResponse:
    return page.request.post(table, headers={"Authorization": f"Bearer {token}"}, data={})


def test_buys_each_kind_and_meets_the_cap_of_a_metered_one(
    pages: tuple[Page, Page], listing: Listing, free: Listing, ben: User
) -> None:
    sara, page = pages
    buy(page, free, "Free", "Get it for free")
    offer_to(sara, listing, ben.email)
    buy(page, listing, "offered to you", "Buy for EUR 3.00")
    buy(page, listing, "EUR 5.00", "Buy for EUR 5.00")
    buy(page, listing, RENEWING, "Buy for EUR 9.00")
    buy(page, listing, "The next 1 day", "Buy for EUR 2.00")
    buy(page, listing, "Trial: 100 rows", "Start the trial")
    buy(page, listing, "Pay by use", "Start, pay by use")
    assert sorted(Purchase.objects.values_list("plan__kind", flat=True)) == [
        "free",
        "metered",
        "one_off",
        "one_off",
        "period",
        "period",
        "trial",
    ]
    meet_the_cap(page)


def offer_to(page: Page, listing: Listing, email: str) -> None:
    page.goto(f"/my/listings/{listing.public_id}/offers/add/")
    send_form(fill_in(page, {"email": email, "price": "3.00"}))
    expect(page.get_by_text("The offer is made.")).to_be_visible()


def meet_the_cap(page: Page) -> None:
    token, address = take_token(page), page.url
    table = table_of(page, token)
    send_form(fill_in(page, {"cap": "0.10"}))
    assert load(page, table, token).status == 200
    page.goto(address)
    expect(page.locator("#usage")).to_contain_text(f"{ROWS} rows")
    expect(page.locator("#usage .figure-value")).to_have_text("EUR 0.06")
    refused = load(page, table, token)
    assert (refused.status, refused.json()["errorCode"]) == (403, "usage_cap_reached")
    page.goto("/purchases/")
    expect(page.get_by_role("row", name=re.compile("Pay by use"))).to_contain_text("at most EUR 0.10")


def test_a_new_price_is_told_and_charged_from_the_renewal_on(
    pages: tuple[Page, Page], listing: Listing, ben: User, mailoutbox: list[EmailMessage]
) -> None:
    sara, page = pages
    buy(page, listing, RENEWING, "Buy for EUR 9.00")
    purchase, address = Purchase.objects.get(), page.url
    token = take_token(page)
    assert load(page, table_of(page, token), token).status == 200
    tell(mailoutbox)

    sara.goto(f"/my/listings/{listing.public_id}/")
    sara.get_by_role("link", name=f"Change the price of {RENEWING}").click()
    send_form(fill_in(sara, {"price": "11.00"}))
    expect(sara.get_by_text("The new price holds from now on.")).to_be_visible()

    ((subject, told),) = tell(mailoutbox)
    assert "EUR 11.00" in subject
    assert "EUR 9.00" in told
    page.goto("/notices/")
    expect(page.locator("main")).to_contain_text("EUR 11.00")
    page.goto(address)
    expect(page.locator("#renewal")).to_contain_text("EUR 11.00")
    purchase.refresh_from_db()
    assert renew_due(at=purchase.window_until) == 1
    sequence_batch(at=timezone.now())
    page.goto(address)
    expect(page.get_by_role("row", name=re.compile("EUR 11.00"))).to_be_visible()
    page.goto("/purchases/")
    expect(page.get_by_role("row", name=re.compile("renewing"))).to_contain_text("EUR 20.00")


def test_a_withdrawal_is_seen_by_both_sides_with_letters_receipt_and_credit_note(
    pages: tuple[Page, Page], listing: Listing, mailoutbox: list[EmailMessage]
) -> None:
    sara, page = pages
    buy(page, listing, "The next 1 day", "Buy for EUR 2.00")
    address, token = page.url, take_token(page)
    table = table_of(page, token)
    issue_due(at=timezone.now())
    tell(mailoutbox)
    see_who_may_read_and_withdraw(sara)

    assert load(page, table, token).status == 403
    sequence_batch(at=timezone.now())
    issue_due(at=timezone.now())
    letters = tell(mailoutbox)
    (withdrawn,) = (text for subject, text in letters if "withdrew" in subject)
    assert "EUR 2.00" in withdrawn
    assert "delete" in withdrawn.lower()

    page.goto(address)
    expect(page.get_by_text("The owner has withdrawn the consent, so every token is refused.")).to_be_visible()
    page.goto(f"{address}receipt/")
    expect(page.locator("main")).to_contain_text("The owner withdrew the consent")
    page.goto("/invoices/")
    page.get_by_role("link", name=re.compile("^CN-")).first.click()
    expect(page.locator("main")).to_contain_text("EUR 2.00")
    expect(page.locator("main")).to_contain_text(re.compile(r"INV-\d{4}-\d{6}"))
    page.goto("/wallet/")
    expect(page.locator("main")).to_contain_text("EUR 100.00")


def see_who_may_read_and_withdraw(page: Page) -> None:
    page.goto("/consents/")
    page.get_by_role("link", name="Who has access").click()
    expect(page.get_by_role("heading", name="Who has access")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Withdraw")).click()
    page.get_by_role("button", name="Withdraw the consent").click()
    expect(page.get_by_text("The consent is withdrawn.")).to_be_visible()
    page.goto("/my/access/")
    expect(page.get_by_text("Nobody but you may read your data now.")).to_be_visible()
    page.goto("/my/access/?state=ended")
    expect(page.locator("main")).to_contain_text("you withdrew the consent")
