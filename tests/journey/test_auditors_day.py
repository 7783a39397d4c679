"""An auditor's day in the browser: audit, search, look, take evidence away, and check it where nothing of ours runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.models import AuditRun, AuditVisit, Checkpoint, Entry
from marketplace.accounts.groups import AUDITOR
from tests.builders_ledger import submit, submit_in_bulk
from tests.conftest import make_person
from tests.journey.people import NewContext, log_in, open_browser
from tests.ledger.test_verify import bare_python, run_bare

__all__ = ["bare_python"]
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
RECORDS = 3000


def test_verifies_searches_and_takes_evidence_away(
    live_server: LiveServer, worker: Path, new_context: NewContext, bare_python: Any, tmp_path: Path
) -> None:
    submit_in_bulk(RECORDS, timezone.now())
    submit(timezone.now(), kind="consent.granted")
    page = open_browser(new_context, live_server, accept_downloads=True)
    auditor = make_person("auditor")
    auditor.is_staff = True
    auditor.save()
    auditor.groups.add(Group.objects.get(name=AUDITOR))
    log_in(page, auditor.email, "/admin/")
    look_at_the_state(page)
    run_the_audit(page)
    open_an_entry(page)
    compare_checkpoints(page)
    pack = take_evidence(page, tmp_path)
    check_it_elsewhere(page, pack, bare_python, tmp_path)
    visits = AuditVisit.objects.filter(visitor=auditor.public_id)
    assert visits.filter(subject__contains="Evidence").exists()
    assert visits.filter(address__contains="/ledger/entry/").exists()


def look_at_the_state(page: Page) -> None:
    page.goto("/admin/ledger/")
    expect(page.locator(".ledger-dashboard")).to_contain_text("The log is not frozen.")
    for _ in range(40):
        if Entry.objects.count() == RECORDS + 1:
            break
        page.wait_for_timeout(250)
    page.reload()
    expect(page.locator(".ledger-dashboard")).to_contain_text("3,001 entries")


def run_the_audit(page: Page) -> None:
    page.get_by_role("link", name="Verify the log").click()
    page.get_by_role("button", name="Verify the whole log").click()
    # Without a look at the page again: it follows the worker by itself.
    expect(page.get_by_text("The whole log is good.")).to_be_visible(timeout=30_000)
    expect(page.locator(".ledger-facts")).to_contain_text("3,001 read")
    assert AuditRun.objects.get().state == "good"


def open_an_entry(page: Page) -> None:
    page.goto("/admin/ledger/entry/?kind=consent.granted")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").first.click()
    expect(page.get_by_text("This entry is in the log: its bytes lead to the newest signed root.")).to_be_visible()
    page.goto("/admin/ledger/entry/?q=r1234")
    expect(page.locator("#result_list tbody tr")).to_have_count(1)


def compare_checkpoints(page: Page) -> None:
    sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    page.goto("/admin/ledger/")
    page.get_by_role("link", name="Compare two checkpoints").click()
    for side, size in (("First checkpoint", sizes[0]), ("Second checkpoint", sizes[-1])):
        page.get_by_role("group", name=side).get_by_label("Size of a stored checkpoint").fill(str(size))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("These two go together.")).to_be_visible()


def take_evidence(page: Page, folder: Path) -> str:
    page.goto("/admin/ledger/")
    page.get_by_role("link", name="Evidence pack").click()
    page.get_by_label("From entry").fill("2990")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the pack").click()
    assert re.fullmatch(r"evidence-\d{8}T\d{6}Z\.zip", download.value.suggested_filename)
    download.value.save_as(folder / "evidence.zip")
    return "evidence.zip"


def check_it_elsewhere(page: Page, pack: str, python: Any, folder: Path) -> None:
    """No witness runs here, so it is good but not final."""
    (folder / "policy").write_bytes(page.request.get("/log/policy").body())
    done = run_bare(python, folder, "pack", pack, "--policy", "policy")
    said = done.stdout.decode()
    assert done.returncode == 2, said + done.stderr.decode()
    assert "The pack holds 11 of 3001 entries" in said
    assert "The market's own audit reports nothing wrong at size 3001" in said
    damaged = bytearray((folder / pack).read_bytes())
    damaged[len(damaged) // 3] ^= 1
    (folder / "damaged.zip").write_bytes(damaged)
    assert run_bare(python, folder, "pack", "damaged.zip", "--policy", "policy").returncode == 1
