"""The inbox, the choice of letters, and what the links in letters open."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Page

from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice
from marketplace.notices.preferences import unsubscribe_address
from tests.journey.market import Market
from tests.journey.people import send_form
from tests.journey.visits import Visit, visit


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


def mailed_link(notice: Notice) -> str:
    """What a letter's header says."""
    return urlsplit(unsubscribe_address(notice.user, NoticeKind(notice.kind))).path


def stop_letters(page: Page) -> None:
    send_form(page.locator("form.confirm"))
    page.get_by_role("heading", name="No more of these letters").wait_for()
