"""With a script, many boxes are ticked at once; what for is still said one by one."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from tests.builders import make_device
from tests.journey.people import NewContext, log_in, open_browser

pytestmark = pytest.mark.django_db(transaction=True)
FIELDS = [f"measure_{number}" for number in range(6)]


def test_ticks_and_clears_all_fields(live_server: LiveServer, sara: User, new_context: NewContext) -> None:
    make_device(sara, timezone.now() - timedelta(minutes=1), measures=FIELDS)
    page = open_browser(new_context, live_server)
    log_in(page, sara.email)
    page.wait_for_url("**/home/")
    page.goto("/consents/add/")
    ticked = page.locator("input[type=checkbox]:checked")
    page.get_by_role("button", name="Tick all 6").click()
    expect(ticked).to_have_count(6)
    assert ticked.evaluate_all("boxes => boxes.map(box => box.name)") == ["fields_allowed"] * 6
    ticked.first.uncheck()
    page.get_by_role("button", name="Tick all 6").click()
    page.get_by_role("button", name="Clear all 6").click()
    expect(ticked).to_have_count(0)
