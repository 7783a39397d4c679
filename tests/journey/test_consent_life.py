"""A consent from its grant to its end, as its owner clicks through it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from tests.builders import make_device
from tests.journey.people import NewContext, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)


def test_grants_narrows_renews_prints_and_withdraws(live_server: LiveServer, sara: User, new_context: NewContext):
    make_device(sara, timezone.now() - timedelta(hours=1))
    page = open_browser(new_context, live_server)
    log_in(page, sara.email)
    page.wait_for_url("**/home/")

    grant_all_but_marketing(page)
    narrow_to_humidity_by_day(page)
    print_it(page)
    renew_it(page)
    withdraw_it(page)


def tick(page: Page, name: str, *values: str) -> None:
    for value in values:
        page.locator(f'[name="{name}"][value="{value}"]').check()


def grant_all_but_marketing(page: Page) -> None:
    page.goto("/consents/add/")
    expect(page.locator('[name="purposes"]:checked')).to_have_count(0)
    expect(page.get_by_text("What you allow here is yours to give")).to_be_visible()
    page.locator('[name="devices"]').first.check()
    tick(page, "fields_allowed", "air_temperature", "humidity")
    tick(page, "resolution", "1min")
    for box in page.locator('[name="purposes"]:not([value="Marketing"])').all():
        box.check()
    send_form(page.locator("form.form"))
    expect(page.locator("dl.facts").first).to_contain_text("Not for")
    assert Consent.objects.get().refused_purposes == ["Marketing"]


def narrow_to_humidity_by_day(page: Page) -> None:
    page.get_by_role("link", name="Narrow the consent").click()
    page.locator('[name="fields_allowed"][value="air_temperature"]').uncheck()
    tick(page, "resolution", "1d")
    send_form(page.locator("form.form"))
    expect(page.get_by_role("heading", name="Consent for Humidity", exact=True)).to_be_visible()
    expect(page.locator("ol.timeline")).to_contain_text("No more Air temperature. Daily averages.")
    sequence_batch(at=timezone.now())


def print_it(page: Page) -> None:
    page.get_by_role("link", name="Print it").click()
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", name="The notice that was read")).to_be_visible()
    expect(page.locator("nav").first).not_to_be_visible()
    expect(page.locator("ol.timeline")).to_contain_text("Narrowed")
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="screen")
    page.go_back()


def renew_it(page: Page) -> None:
    """It begins with the narrower terms, and each purpose is said anew."""
    page.get_by_role("link", name="Renew it").click()
    expect(page.locator('[name="fields_allowed"]:checked')).to_have_count(1)
    expect(page.locator('[name="purposes"]:checked')).to_have_count(0)
    tick(page, "purposes", "AcademicResearch")
    send_form(page.locator("form.form"))
    newest, earlier = Consent.objects.all()
    assert newest.renews == earlier
    assert (newest.fields, newest.resolution) == (["humidity"], "1d")


def withdraw_it(page: Page) -> None:
    """As many steps as granting: the page, and one button."""
    page.get_by_role("link", name="Withdraw the consent").click()
    page.get_by_role("button", name="Withdraw the consent").click()
    expect(page.get_by_text("The consent is withdrawn.")).to_be_visible()
    assert Consent.objects.filter(withdrawn_at=None).count() == 1
