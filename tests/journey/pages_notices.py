"""The inbox, the choice of letters, and what the links in letters open."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.urls import reverse
from playwright.sync_api import Page

from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice
from marketplace.notices.preferences import unsubscribe_address
from tests.journey.market import Market
from tests.journey.people import fill_in, send_form
from tests.journey.visits import Visit, send_empty, visit


def notice_pages(market: Market) -> Iterator[Visit]:
    yield visit("ben", "notice_list")
    yield visit("ben", "notice_list", query="?kind=payout", state="none of a kind")
    yield visit("mallory", "notice_list", state="empty")
    yield visit("ben", "notice_opening", market.notices["expiry"].public_id, moves_on=True)
    yield visit("ben", "notice_settings")
    link = mailed_link(market.notices["expiry"])
    yield Visit("visitor", "mail_unsubscription", link)
    yield Visit("visitor", "mail_unsubscription", link, state="done", act=stop_letters)
    yield visit("visitor", "mail_unsubscription", "stale", state="refused", status=410)
    yield visit("ben", "webhook_list")
    yield visit("mallory", "webhook_list", state="empty")
    yield visit("ben", "webhook_list", state="refused", act=send_empty("url"))
    for state in ("failing", "off"):
        yield visit("ben", "webhook_page", market.webhooks[state].public_id, state=state)
    for url in ("webhook_rotation", "webhook_deletion"):
        yield visit("ben", url, market.webhooks["failing"].public_id)
    yield Visit("mallory", "webhook_create", reverse("webhook_list"), state="secret shown", act=add_a_webhook)


def add_a_webhook(page: Page) -> None:
    form = fill_in(page, {"url": "https://hooks.example.org/ownstream"})
    form.locator('[name="kinds"]').first.check()
    send_form(form)
    page.locator("#secret-value").wait_for()


def mailed_link(notice: Notice) -> str:
    """What a letter's header says."""
    return urlsplit(unsubscribe_address(notice.user, NoticeKind(notice.kind))).path


def stop_letters(page: Page) -> None:
    send_form(page.locator("form.confirm"))
    page.get_by_role("heading", name="No more of these letters").wait_for()
