"""In a browser: files dropped on the form find their fields, and the page says so."""

from __future__ import annotations

import base64
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from ledger.models import Entry
from ledger.policy import LogPolicy
from ledger.receipt_building import receipt_for
from ledger.receipts import Receipt
from ledger.services import log_policy
from tests.journey.people import NewContext, open_browser
from tests.web.log.witnessing import append

pytestmark = pytest.mark.django_db(transaction=True)
DROP = """(form, files) => {
  const data = new DataTransfer();
  for (const [name, encoded] of Object.entries(files)) {
    data.items.add(new File([Uint8Array.from(atob(encoded), c => c.charCodeAt(0))], name));
  }
  form.dispatchEvent(new DragEvent("dragover", {dataTransfer: data, bubbles: true, cancelable: true}));
  form.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
}"""


@pytest.fixture
def page(new_context: NewContext, live_server: LiveServer) -> Page:
    page = open_browser(new_context, live_server)
    page.goto("/log/verify/")
    return page


def drop(page: Page, **files: bytes) -> None:
    encoded = {name.replace("__", "."): base64.b64encode(content).decode() for name, content in files.items()}
    page.locator("[data-drop-form]").evaluate(DROP, encoded)


def test_a_dropped_receipt_is_chosen_and_checked(page: Page, now: datetime):
    append(now, 5)
    text = receipt_for(Entry.objects.get(pk=3), at=now)
    drop(page, **{"entry-3__tlog-proof": text.encode()})
    expect(page.get_by_role("status")).to_have_text("entry-3.tlog-proof: ready to be checked.")
    button = page.get_by_role("button", name="Check it")
    expect(button).to_be_focused()
    button.click()
    expect(page.get_by_role("heading", name="Good, but not final")).to_be_visible()


def test_files_dropped_together_find_their_fields(page: Page, now: datetime):
    append(now, 5)
    receipt = Receipt.parse(receipt_for(Entry.objects.get(pk=3), at=now))
    policy: LogPolicy = log_policy()
    drop(
        page,
        **{
            "receipt__tlog-proof": receipt.text().encode(),
            "entry-3__json": receipt.extra,
            "disclosure__json": b"{}",
            "policy": policy.text().encode(),
        },
    )
    expect(page.get_by_role("status")).to_contain_text("ready to be checked.")
    chosen = {
        name: page.locator(f"[name={name}]").evaluate("field => field.files[0].name")
        for name in ("receipt", "entry", "disclosure")
    }
    assert chosen == {"receipt": "receipt.tlog-proof", "entry": "entry-3.json", "disclosure": "disclosure.json"}
    expect(page.locator("[name=policy]")).to_have_value(policy.text())
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("heading", name="Bad: do not rely on it")).to_be_visible()
    expect(page.get_by_text("It failed at the disclosure.")).to_be_visible()
