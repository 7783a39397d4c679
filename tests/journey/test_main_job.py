"""The product's main job, from signing up to the audit, through the pages and the programs that people use."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage
from django.core.signals import request_started
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer
from vega_datasets import local_data

from ledger.models import Entry
from marketplace.accounts.groups import AUDITOR
from tests.conftest import make_person
from tests.journey.people import NewContext, figure, fill_in, log_in, open_browser, send_form, sign_up

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(settings.BASE_DIR)
CLIENT = ROOT / ".venv-clients" / "bin" / "python"
RECORDING = Path(local_data.sf_temps.filepath)
PRICE, FEE, EARNED = "EUR 12.50", "EUR 1.00", "EUR 11.50"

# As a buyer would, but for the exact output: times as whole microseconds, values as repr.
LOAD = """
import json, sys, time
import delta_sharing
started = time.monotonic()
try:
    frame = delta_sharing.load_as_pandas(sys.argv[1])
except Exception as error:
    answer = getattr(error, "response", None)
    print(json.dumps({"status": getattr(answer, "status_code", None), "seconds": time.monotonic() - started}))
else:
    times = [moment.value // 1000 for moment in frame["time"]]
    values = [repr(float(value)) for value in frame["air_temperature"]]
    print(json.dumps({"columns": list(frame.columns), "rows": sorted(zip(times, values))}))
"""


def test_sells_loads_withdraws_and_audits(
    live_server: LiveServer, worker: Path, new_context: NewContext, mailoutbox: list[EmailMessage], tmp_path: Path
) -> None:
    sara = open_browser(new_context, live_server)
    sign_up(sara, "sara@example.test", mailoutbox)
    state = tmp_path / "device"
    add_and_enrol_device(sara, state)
    send_recording(state)
    look_at_the_chart(sara)
    grant_consent(sara)
    publish_listing(sara)

    ben = open_browser(new_context, live_server, accept_downloads=True)
    sign_up(ben, "ben@example.test", mailoutbox)
    buy_at_the_price_shown(ben)
    profile = take_token_and_profile(ben, tmp_path)
    table = copied_table(ben)
    assert load(profile, table) == {"columns": ["time", "device", "air_temperature"], "rows": recorded_rows()}
    expect(ben.locator("#purchase-use")).to_contain_text(f"{len(recorded_rows()):,}", timeout=15_000)

    see_sale_read_and_money(sara)
    withdraw_consent(sara)
    with counted_requests("/delta-sharing/") as requests:
        refused = load(profile, table)
    assert refused["status"] == 403
    assert refused["seconds"] < 5
    assert len(requests) == 1, "A refusal is final: the client must not try again."
    see_that_access_is_over(ben)
    see_what_was_earned(sara)

    audit(open_browser(new_context, live_server))


def run_agent(*arguments: str, state: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "devices.agent", *arguments, "--state", str(state)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def add_and_enrol_device(page: Page, state: Path) -> None:
    """Run the command that the page shows; then the page must tell by itself."""
    page.goto("/devices/add/")
    form = fill_in(page, {"name": "Roof", "country": "US", "region": "San Francisco"})
    form.locator('[name="kind"][value="weather_station"]').check()
    send_form(form)
    code = page.locator(".claim-code").inner_text()
    command = shlex.split(page.locator("pre").filter(has_text="devices.agent enrol").first.inner_text())
    assert command[-1] == code
    page.evaluate("window.isTheSamePage = true")

    said = run_agent(*command[command.index("enrol") :], state=state)

    assert said.startswith("Enrolled as Roof")
    expect(page.get_by_role("heading", name="Roof is enrolled")).to_be_visible()
    assert page.evaluate("window.isTheSamePage"), "The page must not have been loaded anew."
    page.get_by_role("link", name="Open the device").click()


def send_recording(state: Path) -> None:
    mapping = str(ROOT / "docs" / "mappings" / "sf-temps.toml")
    said = run_agent("send", str(RECORDING), "--mapping", mapping, state=state)
    assert f"Sent {len(csv_rows()):,} readings in" in said


def look_at_the_chart(page: Page) -> None:
    page.reload()
    page.get_by_role("link", name="All", exact=True).click()
    chart = page.locator("figure.series")
    drawing = chart.locator("svg.series-chart")
    expect(drawing).to_be_visible()
    expect(drawing).to_have_attribute("aria-label", re.compile("From 1 Jan 2010.* to 31 Dec 2010"))
    expect(chart).to_contain_text("Air temperature")
    expect(page.get_by_text(f"{len(csv_rows()):,}").first).to_be_visible()


def grant_consent(page: Page) -> None:
    page.get_by_role("link", name="Allow others to read it").click()
    form = page.locator("main form").filter(has=page.locator('[name="purposes"]'))
    assert form.locator('[name="purposes"]:checked').count() == 0
    form.locator('[name="devices"]').check()
    form.locator('[name="fields_allowed"][value="air_temperature"]').check()
    form.locator('[name="resolution"][value="raw"]').check()
    form.locator('[name="purposes"]').first.check()
    form.locator('[name="valid_until"]').fill(f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%d}")
    send_form(form)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Consent for")


def publish_listing(page: Page) -> None:
    """Three steps, and the page follows until it is live."""
    page.get_by_role("link", name="Offer the data").click()
    send_form(
        fill_in(
            page,
            {
                "title": "San Francisco air, hourly",
                "summary": "Temperatures of 2010, one an hour.",
                "category": "weather",
            },
        )
    )
    send_form(fill_in(page, {"one_off_price": "12.50"}))
    expect(page.get_by_role("region", name="Newest rows").locator("tbody tr").first).to_contain_text("device-1")
    page.get_by_role("button", name="Publish the listing").click()
    expect(page.get_by_text("This listing is live.")).to_be_visible()


def buy_at_the_price_shown(page: Page) -> None:
    page.goto("/catalogue/?q=francisco")
    page.get_by_role("link", name="San Francisco air, hourly").click()
    plan = page.locator("#plans .plan")
    expect(plan.locator(".plan-price")).to_contain_text(PRICE)
    plan.get_by_role("link").click()
    page.get_by_role("link", name=f"Top up {PRICE}").click()
    send_form(page.locator("#top-up form"))
    page.get_by_role("button", name=f"Pay {PRICE}").click()
    page.get_by_role("button", name=f"Buy for {PRICE}").click()
    page.wait_for_url(re.compile(r"/purchases/[0-9a-f-]{36}/$"))
    page.evaluate("window.isTheSamePage = true")


def take_token_and_profile(page: Page, folder: Path) -> Path:
    """The page follows by itself until the token is there, which it shows once."""
    secret = page.locator("#secret-value")
    expect(secret).to_be_visible(timeout=30_000)
    assert page.evaluate("window.isTheSamePage"), "The page must not have been loaded anew."
    token = secret.inner_text()
    expect(page.locator("#purchase-progress")).to_contain_text(re.compile(r"ecorded as entry \d+"))
    row = page.locator("#purchase-tokens li")
    expect(row).to_contain_text(re.compile(r"Entry \d+"), timeout=15_000)
    expect(row).not_to_contain_text("Waiting to be recorded")
    expect(secret).to_have_text(token)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the profile file").click()
    profile = folder / download.value.suggested_filename
    download.value.save_as(profile)
    assert json.loads(profile.read_text())["bearerToken"] == token
    page.reload()
    expect(page.get_by_role("link", name="Make another token")).to_be_visible()
    assert token not in page.content()
    return profile


def copied_table(page: Page) -> str:
    """The table's name in the line for pandas that the page offers to copy."""
    found = re.search(r'load_as_pandas\("[^#"]+#([^"]+)"\)', page.locator("#purchase-access").inner_text())
    assert found
    return found[1]


def load(profile: Path, table: str) -> dict[str, Any]:
    assert CLIENT.exists(), "`make test` makes .venv-clients from requirements-clients.lock."
    done = subprocess.run(
        [str(CLIENT), "-c", LOAD, f"{profile}#{table}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def csv_rows() -> list[dict[str, str]]:
    with RECORDING.open(newline="") as lines:
        return list(csv.DictReader(lines))


def recorded_rows() -> list[list[object]]:
    """The recording as the client gives it. Where a time stands twice in the file, the later line holds."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    found = {
        (datetime.strptime(row["date"], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC) - epoch): repr(float(row["temp"]))
        for row in csv_rows()
    }
    return [[moment // timedelta(microseconds=1), value] for moment, value in sorted(found.items())]


@contextmanager
def counted_requests(prefix: str) -> Iterator[list[str]]:
    paths: list[str] = []

    def count(environ: dict[str, Any], **_: object) -> None:
        if environ["PATH_INFO"].startswith(prefix):
            paths.append(environ["PATH_INFO"])

    request_started.connect(count)
    try:
        yield paths
    finally:
        request_started.disconnect(count)


def see_sale_read_and_money(page: Page) -> None:
    page.goto("/sales/purchases/")
    sale = page.locator("main tbody tr")
    for text in ("San Francisco air, hourly", PRICE, EARNED):
        expect(sale).to_contain_text(text)
    page.goto("/sales/reads/")
    expect(page.locator("main tbody tr")).to_contain_text(f"{len(recorded_rows()):,}")
    page.goto("/sales/")
    expect(figure(page, "On hold")).to_have_text(PRICE)


def see_what_was_earned(page: Page) -> None:
    """The data was delivered, so nothing goes back."""
    page.goto("/sales/")
    expect(page.locator("main tfoot")).to_contain_text(FEE)
    expect(figure(page, "Yours now")).to_have_text(EARNED)


def withdraw_consent(page: Page) -> None:
    page.goto("/consents/")
    page.locator(".permission-who").click()
    page.get_by_role("link", name="Withdraw the consent").click()
    page.get_by_role("button", name="Withdraw the consent").click()
    expect(page.locator(".tag", has_text="Withdrawn").first).to_be_visible()


def see_that_access_is_over(page: Page) -> None:
    page.reload()
    expect(page.locator("#purchase-access")).to_contain_text(re.compile("withdr", re.IGNORECASE))
    expect(page.get_by_role("link", name="Make another token")).to_have_count(0)
    page.goto("/catalogue/?q=francisco")
    expect(page.get_by_role("heading", name="Catalogue")).to_be_visible()
    expect(page.get_by_role("link", name="San Francisco air, hourly")).to_have_count(0)


def audit(page: Page) -> None:
    """An auditor finds the sale in the log, looks at it down to the bytes, and verifies the whole log."""
    auditor = make_person("auditor")
    auditor.is_staff = True
    auditor.save()
    auditor.groups.add(Group.objects.get(name=AUDITOR))
    log_in(page, auditor.email, "/admin/")
    page.get_by_role("link", name="Entries").first.click()
    page.locator("#result_list tr", has_text="purchase.recorded").get_by_role("link").first.click()
    expect(page.get_by_text("This entry is in the log: its bytes lead to the newest signed root.")).to_be_visible()
    expect(page.locator("pre.ledger-bytes").first).to_contain_text("purchase.recorded")
    page.get_by_role("link", name="Entries").first.click()
    page.get_by_role("button", name="Verify the whole log").click()
    expect(page.get_by_text("The whole log is good.")).to_be_visible()
    kinds = "device.enrolled consent.granted listing.published purchase.recorded access.granted consent.withdrawn"
    # Its worker also states which files the table was made of, when it comes to it.
    logged = [
        kind for kind in Entry.objects.order_by("pk").values_list("kind", flat=True) if kind != "delivery.segments"
    ]
    assert logged == kinds.split()
    expect(page.locator(".ledger-facts")).to_contain_text(re.compile(r"[67] entries"))
