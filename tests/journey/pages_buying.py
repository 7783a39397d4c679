"""Pages of those who buy, in every state."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.journey.market import Market
from tests.journey.visits import Visit, send_empty, visit


def wait_for_token(page: Page) -> None:
    page.locator("#secret-value").wait_for()


def narrow_wrongly(page: Page) -> None:
    page.get_by_text("Narrow what it opens").click()
    page.get_by_label("Networks").fill("here")
    page.get_by_role("button", name="Make the token").click()
    page.locator(".error-summary").wait_for()


def make_client(page: Page) -> None:
    page.get_by_label("Name").fill("Nightly report")
    page.get_by_role("button", name="Make the OAuth client instead").click()
    wait_for_token(page)


def show_what_is_narrowed(page: Page) -> None:
    page.get_by_role("button", name="Show the token to narrow").click()
    wait_for_token(page)


def show_newest_rows(page: Page) -> None:
    page.get_by_role("button", name="Show the newest").click()
    page.locator("tbody tr").first.wait_for()


def buying_pages(market: Market) -> Iterator[Visit]:
    live = market.listings["live"].public_id
    yield visit("ben", "home", state="buyer")
    yield visit("mallory", "home", state="new")
    yield visit("ben", "listing_page", live, state="bought")
    yield visit("sara", "listing_page", live, state="own")
    yield visit("ben", "listing_page", market.listings["withdrawn"].public_id, state="withdrawn")
    yield visit("ben", "purchase_create", live)
    yield visit("mallory", "purchase_create", live, state="too little money")
    for state, order in market.orders.items():
        yield visit("ben", "order_page", order.public_id, state=state)
    yield visit("ben", "card_refund_list")
    yield visit("mallory", "card_refund_list", state="empty")
    paid = market.card_refunds["paid"].top_up.public_id
    yield visit("ben", "card_refund_add", paid)
    yield visit("ben", "card_refund_add", paid, query="?amount=0.01", state="confirm")
    yield visit("ben", "card_refund_add", paid, query="?amount=9999", state="refused", status=422)
    yield visit("ben", "card_refund_add", market.top_ups["disputed"].public_id, state="nothing to take back")
    for state, refund in market.card_refunds.items():
        yield visit("ben", "card_refund_page", refund.public_id, state=state)
    yield visit("ben", "purchase_list")
    yield visit("ben", "purchase_list", query="?state=ended", state="ended")
    yield visit("mallory", "purchase_list", state="empty")
    running = market.listings["running"]
    yield visit("mallory", "listing_page", running.public_id, state="every kind of plan")
    for state in ("used", "ended", "waiting", "returned", "metered", "period", "trial"):
        yield visit("ben", "purchase_page", market.purchases[state].public_id, state=state)
    untouched = market.purchases["untouched"].public_id
    yield visit("ben", "purchase_page", untouched, state="token shown", act=wait_for_token)
    used = market.purchases["used"].public_id
    yield visit("ben", "purchase_download", used)
    yield visit("ben", "purchase_download", used, state="ready", query="?format=csv")
    yield visit(
        "ben", "purchase_download", used, state="wrong span", query="?format=csv&start=2026-02-02&until=2026-01-01"
    )
    yield visit("ben", "purchase_download", market.purchases["ended"].public_id, state="ended")
    yield visit("ben", "purchase_download", market.purchases["metered"].public_id, state="without a token")
    yield visit("ben", "purchase_live", used)
    yield visit("ben", "purchase_live", used, state="newest rows", act=show_newest_rows)
    yield visit("ben", "purchase_live", market.purchases["ended"].public_id, state="ended")
    yield visit("ben", "purchase_live", market.purchases["metered"].public_id, state="without a token")
    yield visit("ben", "purchase_receipt", used)
    yield visit("ben", "purchase_usage", used)
    yield visit("ben", "purchase_usage", market.purchases["untouched"].public_id, state="nothing read")
    for state, read in market.reads.items():
        yield visit("ben", "read_page", read.public_id, state=state)
        yield visit("sara", "read_page", read.public_id, state=f"{state}, owner")
    yield visit("ben", "token_revocation", market.tokens["used"].public_id)
    yield visit("ben", "token_new", used)
    yield visit("ben", "token_new", used, state="wrong limits", act=narrow_wrongly)
    yield visit("ben", "token_new", used, state="OAuth client", act=make_client)
    yield visit("ben", "token_new", market.purchases["ended"].public_id, state="ended")
    yield visit("ben", "token_delegation", market.tokens["used"].public_id)
    yield visit("ben", "token_delegation", market.tokens["used"].public_id, state="shown", act=show_what_is_narrowed)
    yield visit("ben", "wallet")
    yield visit("ben", "wallet", state="refused", act=send_empty("amount"))
    yield visit("mallory", "wallet", state="empty")
    for state in ("pending", "paid"):
        yield visit("ben", "top_up_page", market.top_ups[state].public_id, state=state)
