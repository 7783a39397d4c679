"""A buyer loads the evidence of what he bought, drops it with his download on the page, and changes one digit."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from tests.builders_origin import csv_of
from tests.delivery.test_evidence import Shop, rows_of
from tests.journey.people import NewContext, log_in, open_browser
from tests.web.log.test_dropping import drop

pytestmark = pytest.mark.django_db(transaction=True)


def check(page: Page, table: bytes, evidence: bytes) -> None:
    page.goto("/verify-data/")
    drop(page, data__csv=table, roof__evidence__jsonl=evidence)
    expect(page.get_by_role("status")).to_contain_text("ready to be checked.")
    page.get_by_role("button", name="Check it").click()


def test_from_the_purchase_to_the_proof(
    sara: User, ben: User, live_server: LiveServer, new_context: NewContext, tmp_path: Path
) -> None:
    shop = Shop(sara, ben)
    page = open_browser(new_context, live_server)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    page.goto(f"/purchases/{shop.purchase.public_id}/")
    with page.expect_download() as loading:
        page.get_by_role("button", name="Download the evidence").click()
    loading.value.save_as(tmp_path / "evidence")
    evidence, rows = (tmp_path / "evidence").read_bytes(), rows_of(shop.start, 60)
    stranger = open_browser(new_context, live_server)
    check(stranger, csv_of(rows), evidence)
    expect(stranger.get_by_text("120 of 120 rows: what the devices signed, to the last digit.")).to_be_visible()
    # Nobody witnesses the log of the tests.
    expect(stranger.get_by_role("heading", name="Nothing is wrong, and not everything is proven")).to_be_visible()
    rows[41]["air_temperature"] += 0.5
    check(stranger, csv_of(rows), evidence)
    expect(stranger.get_by_role("heading", name="Bad: do not rely on it")).to_be_visible()
    expect(stranger.get_by_role("alert")).to_contain_text("Row 42 (line 43): device-2 at")


def test_without_script(
    live_server: LiveServer, new_context: NewContext, tmp_path: Path, sara: User, ben: User
) -> None:
    shop = Shop(sara, ben)
    page = open_browser(new_context, live_server, java_script_enabled=False)
    log_in(page, ben.email)
    page.goto(f"/purchases/{shop.purchase.public_id}/")
    page.get_by_role("link", name="Check a download").click()
    (tmp_path / "data.csv").write_bytes(csv_of(rows_of(shop.start, 60)))
    page.get_by_label("The download").set_input_files(tmp_path / "data.csv")
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_text("Choose the evidence of the download.").first).to_be_visible()
