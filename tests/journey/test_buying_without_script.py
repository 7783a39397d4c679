"""The buying half with JavaScript off: links, forms and redirects do everything."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import day_start, make_stocked_listing, minutes
from tests.journey.people import NewContext, figure, fill_in, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def at() -> datetime:
    return timezone.now() - timedelta(minutes=1)


@pytest.fixture
def listing(sara: User, at: datetime) -> Listing:
    """Roof weather, and beside it one that the search and the facet must leave out."""
    start = day_start(at, 1)
    readings = minutes(start, 120) + minutes(start, 120, "humidity")
    sender, listing = make_stocked_listing(sara, at, readings=readings, plans=[PlanTerms("one_off", 5 * EURO)])
    consent = make_consent(sara, at, devices=[sender.device], fields=["humidity"])
    other = make_listing(sara, at, consent=consent, title="Cellar damp")
    for one in (listing, other):
        refresh_table(listing=one, at=at)
    return listing


def test_finds_pays_buys_and_loads(
    live_server: LiveServer, listing: Listing, ben: User, worker: Path, new_context: NewContext, tmp_path: Path
) -> None:
    page = open_browser(new_context, live_server, java_script_enabled=False)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    find_in_catalogue(page)
    choose_plan(page)
    top_up_after_a_decline(page)
    buy(page)
    token, profile = take_token_and_profile(page, tmp_path)
    assert profile["bearerToken"] == token
    assert shares_of(profile) == [listing.share_name]


def find_in_catalogue(page: Page) -> None:
    page.goto("/catalogue/")
    expect(page.get_by_role("link", name="Cellar damp")).to_be_visible()
    page.locator("#facets").get_by_label(re.compile("air temperature", re.IGNORECASE)).check()
    page.get_by_role("button", name="Show what fits").click()
    expect(page).to_have_url(re.compile("measure=air_temperature"))
    expect(page.get_by_role("link", name="Cellar damp")).to_have_count(0)
    page.get_by_role("searchbox").fill("roof")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("q=roof"))
    page.get_by_role("link", name="Roof weather").click()
    expect(page.get_by_role("heading", name="Roof weather", level=1)).to_be_visible()


def choose_plan(page: Page) -> None:
    plan = page.locator("#plans .plan")
    expect(plan.locator(".plan-price")).to_contain_text("EUR 5.00")
    plan.get_by_role("link").click()
    page.get_by_role("link", name="Top up EUR 5.00").click()


def top_up_after_a_decline(page: Page) -> None:
    """A declined payment moves nothing and says so; the second one is paid and leads back to the purchase."""
    address = page.url
    send_form(fill_in(page, {"amount": "20.00"}))
    page.get_by_role("button", name="Decline the payment").click()
    expect(page.locator("main")).to_contain_text(re.compile("declined", re.IGNORECASE))
    page.goto("/wallet/")
    expect(figure(page, "Balance")).to_have_text("EUR 0.00")
    page.goto(address)
    send_form(fill_in(page, {"amount": "20.00"}))
    page.get_by_role("button", name="Pay EUR 20.00").click()


def buy(page: Page) -> None:
    expect(page.locator("#checkout")).to_contain_text("EUR 15.00 after this")
    page.get_by_role("button", name="Buy for EUR 5.00").click()
    page.wait_for_url(re.compile(r"/purchases/[0-9a-f-]{36}/$"))


def take_token_and_profile(page: Page, folder: Path) -> tuple[str, dict[str, Any]]:
    """The page looks again by itself until the data is ready; then a button shows the token, once."""
    page.get_by_role("button", name="Show my token").click(timeout=40_000)
    token = page.locator("#secret-value").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the profile file").click()
    download.value.save_as(folder / "profile.share")
    page.goto("/purchases/")
    page.get_by_role("link", name="Roof weather").click()
    expect(page.get_by_role("link", name="Make another token")).to_be_visible()
    assert token not in page.content()
    return token, json.loads((folder / "profile.share").read_text())


def shares_of(profile: dict[str, Any]) -> list[str]:
    address = f"{profile['endpoint'].rstrip('/')}/shares"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {profile['bearerToken']}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return [share["name"] for share in json.loads(answer.read())["items"]]
