"""A device is sold: its owner hands it over, and the new owner takes it, each in a browser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from devices.models import Device
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import buy_listing
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import SigningDevice, make_signing_device, minutes
from tests.builders_money import fill_wallet
from tests.journey.people import NewContext, fill_in, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def station(sara: User, mallory: User, settings: Settings, tmp_path: Path) -> SigningDevice:
    """Sara's device, whose data mallory has bought for a month."""
    settings.MEDIA_ROOT = tmp_path / "files"
    at = timezone.now() - timedelta(minutes=5)
    sender = make_signing_device(sara, at, "Roof")
    sender.send(minutes(at - timedelta(hours=2), 60), at)
    consent = make_consent(sara, at, devices=[sender.device])
    listing = make_listing(sara, at, consent=consent, plans=[PlanTerms("period", 12 * EURO, 30 * 86_400)])
    fill_wallet(mallory, 12, at)
    buy_listing(listing=listing, plan=listing.plans.get(), buyer=mallory, quoted_micros=12 * EURO, at=at)
    return sender


def test_a_device_goes_from_one_owner_to_the_other(
    live_server: LiveServer, station: SigningDevice, sara: User, ben: User, mallory: User, new_context: NewContext
) -> None:
    seller, taker = open_browser(new_context, live_server), open_browser(new_context, live_server)
    for page, person in ((seller, sara), (taker, ben)):
        log_in(page, person.email)
        page.wait_for_url("**/home/")

    code = offer(seller, ben)
    take(taker, code)
    sequence_batch(at=timezone.now())
    assert balance_micros(account_of(mallory)) == 12 * EURO
    assert not Consent.objects.filter(withdrawn_at=None).exists()

    now = timezone.now()
    station.send(minutes(now - timedelta(minutes=3), 3), now)
    station.send(minutes(now, 2), now)
    look_at_both(seller, taker)


def offer(page: Page, ben: User) -> str:
    page.goto("/devices/")
    page.get_by_role("link", name="Roof", exact=True).click()
    page.get_by_role("link", name="Hand over Roof").click()
    expect(page.get_by_text("Roof weather")).to_be_visible()
    expect(page.locator("main")).to_contain_text("12.00 goes back to buyers")
    send_form(fill_in(page, {"email": ben.email}))
    expect(page.get_by_role("heading", name=f"Offered to {ben.email}")).to_be_visible()
    return page.locator("#secret-value").inner_text()


def take(page: Page, code: str) -> None:
    page.goto("/devices/")
    page.get_by_role("link", name="Take it over").click()
    send_form(fill_in(page, {"code": "0000-0000-0000"}))
    expect(page.locator(".error-summary")).to_contain_text("No device is offered to your address")
    send_form(fill_in(page, {"code": code.lower()}))
    expect(page.get_by_role("heading", name="Take over this device")).to_be_visible()
    assert Device.objects.count() == 1
    send_form(fill_in(page, {"name": "Garage roof", "country": "FR"}))
    expect(page.get_by_role("heading", name="Garage roof", exact=True)).to_be_visible()
    expect(page.get_by_text("Garage roof is yours.")).to_be_visible()


def look_at_both(seller: Page, taker: Page) -> None:
    seller.goto("/devices/")
    seller.get_by_role("link", name="Roof", exact=True).click()
    expect(seller.get_by_text("It went to another owner")).to_be_visible()
    expect(seller.locator("ol.timeline")).to_contain_text("Handed over")
    taker.reload()
    expect(taker.locator("ol.timeline")).to_contain_text("Taken over under the key that it has.")
    for page, subject in ((seller, "You handed over a device: Roof"), (taker, "You took over a device: Garage roof")):
        page.goto("/notices/")
        expect(page.get_by_role("link", name=subject)).to_be_visible()
