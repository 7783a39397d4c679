"""A buyer watches new rows come: the chart moves after an upload, pauses, comes back, and stops with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.content_security import content_security_policy
from marketplace.delivery.models import Read
from marketplace.purchases.services import withdraw_consent_with_refunds
from tests.delivery.live.conftest import Subscription, subscribe
from tests.delivery.live.process import LiveServer as LiveStreams
from tests.journey.looks import HEIGHT, WIDE, Complaints, faults_of
from tests.journey.people import NewContext, log_in, open_browser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def streams(live_server: LiveServer, settings: Any, tmp_path: Path) -> Iterator[LiveStreams]:
    """Under another port than the pages, as `make run` has it."""
    settings.PUBLIC_URL = live_server.url
    process = LiveStreams(tmp_path, PUBLIC_URL=live_server.url)
    settings.LIVE_URL = f"http://localhost:{process.port}"
    settings.CONTENT_SECURITY_POLICY = content_security_policy(
        live_url=settings.LIVE_URL, public_url=settings.PUBLIC_URL
    )
    process.start()
    yield process
    process.kill()


@pytest.fixture
def subscription(streams: LiveStreams, sara: User, ben: User) -> Subscription:
    return subscribe(sara, ben)


def test_the_chart_moves_and_stops_with_the_reason(
    live_server: LiveServer, streams: LiveStreams, subscription: Subscription, ben: User, new_context: NewContext
) -> None:
    page = open_browser(new_context, live_server, viewport={"width": WIDE, "height": HEIGHT})
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    complaints = Complaints(page)
    page.goto(f"/purchases/{subscription.purchase.public_id}/")
    page.get_by_role("link", name="Watch live").click()
    state = page.get_by_role("status")
    page.get_by_role("button", name="Watch live").click()
    expect(state).to_contain_text("Connected")

    subscription.send(20.5, 21.25)
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("tbody tr").first).to_contain_text("21.25")
    drawn = line_of(page)
    subscription.send(22.75)
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator(".series-line")).not_to_have_attribute("d", drawn)

    page.get_by_role("button", name="Pause").click()
    subscription.send(23.5)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("tbody tr").first).to_contain_text("23.5")

    streams.kill()
    expect(state).to_contain_text("Trying again")
    subscription.send(24.125)
    streams.start()
    expect(page.locator("tbody tr").first).to_contain_text("24.125")
    expect(page.locator("tbody tr")).to_have_count(5)
    assert faults_of(page) == []

    withdraw_consent_with_refunds(consent=subscription.listing.consent, at=timezone.now())
    expect(state).to_contain_text("Ended: The owner has withdrawn the consent")
    page.get_by_role("button", name="Try again").click()
    expect(state).to_contain_text("withdrawn")
    assert sum(Read.objects.values_list("row_count", flat=True)) == 5
    # That the killed server could not be reached is the only thing that the console may say.
    assert [text for text in complaints.take() if "ERR_" not in text] == []


def test_without_script_the_newest_rows_are_a_table(
    live_server: LiveServer, sara: User, ben: User, new_context: NewContext
) -> None:
    subscription = subscribe(sara, ben)
    Read.objects.all().delete()
    page = open_browser(new_context, live_server, java_script_enabled=False)
    log_in(page, ben.email)
    page.goto(f"/purchases/{subscription.purchase.public_id}/live/")
    assert not page.get_by_role("button", name="Watch live").is_visible()
    page.get_by_role("button", name="Show the newest 20 rows").click()
    expect(page.get_by_text("There is no row in what this purchase opens yet.")).to_be_visible()


def line_of(page: Page) -> str:
    return page.locator(".series-line").get_attribute("d") or ""
