"""What a buyer holds: until when, what was used of it, what it costs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from marketplace.access.services import issue_token
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import count_rows, renew_due, set_cap, start_clock, withdraw_consent_with_refunds
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet
from tests.conftest import PASSWORD

DAY = timedelta(days=1)
METERED = PlanTerms("metered", micros_per_1000_rows=EURO, base_micros=0, cap_micros=50 * EURO)


@pytest.fixture
def ben_client(ben: User, now: datetime) -> Client:
    client = Client()
    assert client.login(email=ben.email, password=PASSWORD)
    fill_wallet(ben, 100, now)
    return client


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Money is written with a space that does not break."""
    return row | {name: row[name].replace("\xa0", " ") for name in ("cost_text", "cost_note")}


def rows(client: Client, at: datetime, query: str = "") -> list[dict[str, Any]]:
    with time_machine.travel(at, tick=False):
        return [plain(row) for row in client.get(f"/purchases/{query}").context["rows"]]


def test_a_period_that_renews_says_what_comes_next_and_sums_up_what_was_paid(ben_client, sara, ben, now):
    listing = make_listing(sara, now, plans=[PlanTerms("period", 9 * EURO, 30 * 86_400, is_renewing=True)])
    purchase = buy(listing, ben, now)
    start_clock(purchase=purchase, at=now)
    token, _ = issue_token(purchase=purchase, at=now)
    Read.objects.create(purchase=purchase, token=token, door="delta_sharing", at=now, row_count=1_234, byte_count=9)
    (row,) = rows(ben_client, now)
    assert (row["cost_text"], row["cost_note"]) == ("EUR 9.00", "then EUR 9.00 every 30 days")
    assert row["facts"].reads.row_count == 1_234
    renew_due(at=purchase.window_until)
    (row,) = rows(ben_client, purchase.window_until)
    assert row["cost_text"] == "EUR 18.00"
    assert row["facts"].until > purchase.access_until


def test_use_is_shown_with_what_it_costs_so_far_and_at_most(ben_client, sara, ben, now):
    purchase = buy(make_listing(sara, now, plans=[METERED]), ben, now)
    count_rows(purchase=purchase, row_count=2_500, at=now)
    (row,) = rows(ben_client, now)
    assert (row["cost_text"], row["cost_note"]) == ("EUR 0.00", "EUR 2.50 this month so far, at most EUR 50.00")
    set_cap(purchase=purchase, cap_micros=20 * EURO, at=now)
    (row,) = rows(ben_client, now)
    assert row["cost_note"].endswith("at most EUR 20.00")


def test_what_has_ended_stands_apart_with_its_reason(ben_client, sara, ben, now):
    gone, stays = (buy(make_listing(sara, now, title=title), ben, now) for title in ("Gone", "Stays"))
    withdraw_consent_with_refunds(consent=gone.listing.consent, at=now)
    assert [row["purchase"] for row in rows(ben_client, now)] == [stays]
    (row,) = rows(ben_client, now, "?state=ended")
    assert (row["purchase"], row["ended_words"], row["cost_text"]) == (gone, "the owner withdrew", "EUR 0.00")
    later = now + 400 * DAY
    with time_machine.travel(later, tick=False):
        ben_client.force_login(ben)
    assert rows(ben_client, later) == []
    assert {row["ended_words"] for row in rows(ben_client, later, "?state=ended")} == {
        "the owner withdrew",
        "its time is over",
    }


def test_a_page_of_many_costs_no_query_for_each(ben_client, sara, ben, now, django_assert_max_num_queries):
    for number in range(28):
        buy(make_listing(sara, now, title=f"Roof {number}", plans=[PlanTerms("free", 0)]), ben, now)
    with time_machine.travel(now, tick=False), django_assert_max_num_queries(20):
        page = ben_client.get("/purchases/")
    assert len(page.context["rows"]) == 25
    assert "Open now (28)" in page.content.decode()
