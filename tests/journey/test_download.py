"""A buyer takes his table as one file: chooses, waits, loads, goes on after a break, and finds the read proven."""

from __future__ import annotations

import csv
import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.delivery.exports import making
from marketplace.delivery.models import Read
from marketplace.delivery.reads.summarising import summarise_reads
from marketplace.delivery.tasks import make_export_task
from tests.builders_delivery import buy_token, day_start, make_stocked_listing, minutes
from tests.delivery.conftest import Bought
from tests.journey.people import NewContext, figure, log_in, open_browser

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 2_000
# As much as a first try got before it broke off.
FIRST_BYTES = 10_000


@pytest.fixture
def bought(sara: User, ben: User) -> Bought:
    at = timezone.now() - timedelta(minutes=1)
    start = day_start(at, 3)
    readings = minutes(start, COUNT) + minutes(start, COUNT, "humidity")
    sender, listing = make_stocked_listing(sara, at, readings=readings, fields=["air_temperature", "humidity"])
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


def test_chooses_waits_loads_resumes_and_sees_what_was_counted(
    live_server: LiveServer,
    bought: Bought,
    ben: User,
    new_context: NewContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(making, "AT_ONCE", COUNT - 1)
    asked: list[list[str]] = []
    monkeypatch.setattr(make_export_task, "apply_async", lambda args, **_: asked.append(args))
    page = open_browser(new_context, live_server, accept_downloads=True)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    page.goto(f"/purchases/{bought.token.purchase.public_id}/")
    page.get_by_role("link", name=re.compile("Download")).first.click()

    choose(page)
    wait_until_it_is_made(page, asked)
    whole = load(page, tmp_path)
    start = day_start(bought.at, 3)
    times = [(start + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ") for number in range(COUNT)]
    sent = [(time, "device-1", repr(20 + number / 7)) for number, time in enumerate(times)]
    assert rows_of(whole) == [("time", "device", "humidity"), *sent]
    assert go_on(page, bought, whole, tmp_path) == whole.read_bytes()
    see_what_was_counted(page, bought)


def choose(page: Page) -> None:
    page.get_by_label("Format").select_option(label="CSV")
    page.get_by_label("Humidity").check()
    page.get_by_role("button", name="Prepare the file").click()


def wait_until_it_is_made(page: Page, asked: list[list[str]]) -> None:
    """What the worker does while the page looks again each second."""
    bar = page.get_by_role("progressbar", name="Rows written")
    expect(bar).to_have_attribute("max", str(COUNT))
    page.evaluate("window.isTheSamePage = true")
    make_export_task(*asked[0])
    expect(page.get_by_role("heading", name="Ready")).to_be_visible()
    expect(bar).to_have_count(0)
    assert page.evaluate("window.isTheSamePage"), "The page must not have been loaded anew."


def load(page: Page, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("Download .*B$")).click()
    found = folder / download.value.suggested_filename
    download.value.save_as(found)
    return found


def go_on(page: Page, bought: Bought, whole: Path, folder: Path) -> bytes:
    """Run the line that the page shows, as it is printed, beside a file that was broken off."""
    printed = page.locator("#download-state pre").inner_text()
    broken = folder / "again" / whole.name
    broken.parent.mkdir()
    broken.write_bytes(whole.read_bytes()[:FIRST_BYTES])
    line = ["/bin/sh", "-c", printed.replace("your token", bought.text)]
    done = subprocess.run(line, cwd=broken.parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return broken.read_bytes()


def see_what_was_counted(page: Page, bought: Bought) -> None:
    """The browser's and curl's are one read: the same file, with the same token, within a day."""
    page.goto(f"/purchases/{bought.token.purchase.public_id}/usage/")
    expect(figure(page, "Reads")).to_have_text("1")
    expect(figure(page, "Rows")).to_have_text(f"{COUNT:,}")
    page.get_by_role("link", name=re.compile("^Not yet")).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    # The day has to be over.
    Read.objects.update(at=bought.at - timedelta(days=1))
    assert summarise_reads(at=timezone.now()) == 1
    sequence_batch(at=timezone.now())
    page.goto(f"/purchases/{bought.token.purchase.public_id}/usage/")
    page.get_by_role("link", name=re.compile("^In the log")).click()
    expect(page.locator("main")).to_contain_text(re.compile("[Ee]ntry [0-9]+"))


def rows_of(file: Path) -> list[tuple[str, ...]]:
    with file.open(newline="") as lines:
        return [tuple(row) for row in csv.reader(lines)]
