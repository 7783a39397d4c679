"""The main links stay in sight on a small laptop, and fold into a menu below that."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from tests.journey.looks import HEIGHT
from tests.journey.people import NewContext, log_in, open_browser

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_links_fit_from_1024_pixels_on(live_server: LiveServer, sara: User, new_context: NewContext) -> None:
    sara.display_name = "The longest name that a member of a market could think of"
    sara.save(update_fields=["display_name"])
    page = open_browser(new_context, live_server, viewport={"width": 1024, "height": HEIGHT})
    log_in(page, sara.email)
    page.wait_for_url("**/home/")
    main = page.get_by_role("navigation", name="Main", exact=True)
    for width in (1024, 1280, 1440):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        expect(main).to_be_visible()
        links = main.locator("ul").first.bounding_box()
        rest = main.locator(".nav-end").bounding_box()
        assert links
        assert rest
        assert links["x"] + links["width"] <= rest["x"]
        assert rest["x"] + rest["width"] <= width
    page.set_viewport_size({"width": 1000, "height": HEIGHT})
    expect(main).not_to_be_visible()
    page.get_by_text("Menu", exact=True).click()
    expect(page.get_by_role("link", name="Wallet")).to_be_visible()
