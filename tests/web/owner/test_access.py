"""The page that says who may read an owner's data, who did, and what it earned."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.access.services import issue_token
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.delivery.reads.sight import access_facts
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import release_earnings, renew_due, start_clock, withdraw_consent_with_refunds
from tests.builders import EURO, make_consent, make_device, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

DAY = timedelta(days=1)
PAGE = "/my/access/"
MONTH = PlanTerms("period", 9 * EURO, 30 * 86_400, is_renewing=True)


def read(purchase: Purchase, rows: int, at: datetime) -> None:
    token, _ = issue_token(purchase=purchase, at=at)
    Read.objects.create(
        purchase=purchase, token=token, door="delta_sharing", at=at, row_count=rows, byte_count=rows * 8
    )


@pytest.fixture
def sold(sara: User, ben: User, now: datetime) -> Purchase:
    fill_wallet(ben, 100, now)
    purchase = buy(make_listing(sara, now, plans=[MONTH], title="Roof"), ben, now)
    start_clock(purchase=purchase, at=now)
    read(purchase, 1_500, now)
    read(purchase, 250, now)
    return purchase


def test_says_who_may_read_until_when_who_did_and_what_came_of_it(sold, sara_client: Client, ben: User, now):
    release_earnings(at=now + 10 * DAY)
    page = sara_client.get(PAGE)
    (row,) = page.context["rows"]
    assert (row.buyer, row.ended_words, row.earned_text) == (ben.pseudonym, "", "EUR\xa02.76")
    assert (row.facts.reads.read_count, row.facts.reads.row_count, row.facts.reads.last_at) == (2, 1_750, now)
    assert row.facts.until == sold.access_until
    assert row.facts.earned_micros + row.facts.held_micros == sold.seller_micros
    text = page.content.decode()
    assert f"{row.held_text} on hold" in text
    assert reverse("consent_withdrawal", args=[sold.listing.consent.public_id]) in text
    assert "1,750" in text
    assert page.context["figures"]["buyers_note"] == "purchases, of 1 buyer"
    assert len(page.context["reads"]) == 2


def test_a_renewal_lengthens_the_row_and_adds_to_what_it_earned(sold, sara_client: Client, now):
    renew_due(at=sold.window_until)
    release_earnings(at=now + 61 * DAY)
    renewal = Purchase.objects.get(continues=sold)
    (row,) = sara_client.get(PAGE).context["rows"]
    assert row.facts.until == renewal.access_until > sold.access_until
    assert row.facts.earned_micros == 2 * sold.seller_micros


def test_after_a_withdrawal_nobody_may_and_everything_is_still_told(sold, sara_client: Client, now):
    withdraw_consent_with_refunds(consent=sold.listing.consent, at=now)
    assert access_facts([sold], now)[sold.pk].held_micros == 0
    page = sara_client.get(PAGE)
    assert page.context["rows"] == []
    assert "Nobody but you may read your data now." in page.content.decode()
    (row,) = sara_client.get(f"{PAGE}?state=ended").context["rows"]
    assert row.ended_words == "you withdrew the consent"
    assert not row.may_withdraw
    assert len(sara_client.get(f"{PAGE}?state=all").context["rows"]) == 1


def test_is_narrowed_to_a_consent_and_to_a_device(sold, sara_client: Client, sara: User, ben: User, now):
    device = make_device(sara, now)
    consent = make_consent(sara, now, devices=[device])
    other = buy(make_listing(sara, now, consent=consent), ben, now)
    for query in (f"consent={consent.public_id}", f"device={device.public_id}"):
        assert [row.purchase for row in sara_client.get(f"{PAGE}?{query}").context["rows"]] == [other]
    assert len(sara_client.get(PAGE).context["rows"]) == 2


@pytest.mark.parametrize(
    ("query", "status"),
    [("state=x", 404), ("consent=x", 404), (f"device={UUID(int=0)}", 404), ("consent=%00", 400)],
)
def test_a_filter_that_is_none_leads_nowhere(sold, sara_client: Client, query, status):
    assert sara_client.get(f"{PAGE}?{query}").status_code == status


def test_strangers_see_nothing_of_it(sold, mallory_client: Client, ben_client: Client, visitor: Client):
    consent = sold.listing.consent
    for stranger in (mallory_client, ben_client):
        page = stranger.get(PAGE)
        assert (page.context["rows"], page.context["reads"]) == ([], [])
        assert stranger.get(f"{PAGE}?consent={consent.public_id}").status_code == 404
    assert visitor.get(PAGE).status_code == 302
    assert visitor.get("/my/access/reads.csv").status_code == 302


def test_a_page_of_many_costs_no_query_for_each(
    sold, sara_client: Client, sara: User, ben, now, django_assert_max_num_queries
):
    fill_wallet(ben, 200, now)
    for number in range(30):
        read(buy(make_listing(sara, now, title=f"Roof {number}"), ben, now), 10, now)
    with django_assert_max_num_queries(24):
        page = sara_client.get(PAGE)
    assert len(page.context["rows"]) == 25
    rest = sara_client.get(f"{PAGE}?from={page.context['page'].next_mark}").context["rows"]
    assert len(rest) == 6


def content_of(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode("utf-8-sig")


def test_all_reads_as_a_file(sold, sara_client: Client, mallory_client: Client, ben: User):
    head, *lines = csv.reader(io.StringIO(content_of(sara_client.get("/my/access/reads.csv"))))
    assert head[:4] == ["at", "buyer", "listing", "purchase"]
    assert [(line[1], line[3], line[6]) for line in lines] == [
        (ben.pseudonym, str(sold.public_id), "1500"),
        (ben.pseudonym, str(sold.public_id), "250"),
    ]
    assert len(content_of(mallory_client.get("/my/access/reads.csv")).splitlines()) == 1
