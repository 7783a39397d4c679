"""A token from its making to its end, as its buyer clicks through it, while his program reads with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from marketplace.access.models import AccessToken
from marketplace.accounts.models import User
from marketplace.delivery.services import refresh_table
from tests.builders_delivery import bearer, buy, make_stocked_listing
from tests.journey.people import NewContext, log_in, open_browser

pytestmark = pytest.mark.django_db(transaction=True)


def test_is_made_narrow_rotated_and_revoked(
    live_server: LiveServer, sara: User, ben: User, new_context: NewContext, tmp_path: Path
) -> None:
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at)
    purchase = buy(listing, ben, at)
    refresh_table(listing=listing, at=at)
    page = open_browser(new_context, live_server)
    page.on("dialog", lambda dialog: dialog.accept())
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    address = f"/purchases/{purchase.public_id}/"

    first = make_it(page, address, tmp_path)
    assert read(purchase.listing.share_name, first) == 200
    page.goto(address)
    row = page.locator("#purchase-tokens li", has_text="Nightly report")
    expect(row).to_contain_text("60 of 100 rows read")
    expect(row).to_contain_text("1 read of 60 rows")
    expect(row).to_contain_text("from 127.0.0.1")

    row.get_by_role("button", name="Rotate").click()
    second = page.locator("#secret-value").inner_text()
    assert second != first
    # Sixty of a hundred rows are read, by whichever of the two.
    assert [read(purchase.listing.share_name, token) for token in (first, second)] == [403, 403]
    assert AccessToken.objects.filter(last_used_at__isnull=False).count() == 2

    page.goto(address)
    page.locator("#purchase-tokens li", has_text=second[:10]).get_by_role("link", name="Revoke").click()
    page.get_by_role("button", name="Revoke the token").click()
    expect(page.locator("#purchase-tokens")).not_to_contain_text("works")
    assert [read(purchase.listing.share_name, token) for token in (first, second)] == [401, 401]


def make_it(page: Page, address: str, folder: Path) -> str:
    """The first token comes by itself; the second one is narrowed. Return what its profile file holds."""
    page.goto(address)
    page.locator("#secret-value").wait_for()
    page.goto(address)
    page.get_by_role("link", name="Make another token").click()
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_text("Narrow what it opens").click()
    page.get_by_label("Rows in all").fill("100")
    page.get_by_role("button", name="Make the token").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the profile file").click()
    download.value.save_as(folder / "bought.share")
    token = str(json.loads((folder / "bought.share").read_text())["bearerToken"])
    assert token == page.locator("#secret-value").inner_text()
    for other in AccessToken.objects.exclude(name="Nightly report"):
        page.goto(f"/tokens/{other.public_id}/revocation/")
        page.get_by_role("button", name="Revoke the token").click()
    return token


def read(share: str, token: str) -> int:
    path = f"/delta-sharing/shares/{share}/schemas/data/tables/readings/query"
    return Client().post(path, "{}", content_type="application/json", headers=bearer(token)).status_code
