from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from marketplace.delivery.services import record_read
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import release_earnings
from marketplace.web.paging import decode_mark, encode_mark
from tests.builders import EURO, make_consent, make_draft
from tests.builders_delivery import buy, buy_token, make_stocked_listing
from tests.builders_devices import add_waiting_device, make_signing_device
from tests.builders_money import fill_wallet
from tests.conftest import make_person

from .conftest import logged_in

PAGES = ("home", "sales", "sale_list", "read_list")


@pytest.fixture
def sold(sara: User, ben: User, now: datetime) -> Listing:
    """A listing at EUR 10 that ben bought and read once."""
    fill_wallet(ben, 50, now)
    _, listing = make_stocked_listing(sara, now, plans=[PlanTerms("one_off", 10 * EURO)])
    _, token = buy_token(listing, ben, now)
    record_read(grant=authorise(token=token, at=now), door=Read.Door.DELTA_SHARING, files=[], at=now)
    return listing


@pytest.mark.parametrize("name", PAGES)
def test_every_page_works_for_someone_new(sara_client: Client, name: str):
    assert sara_client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_a_visitor_is_asked_to_log_in(visitor: Client, db: None, name: str):
    assert visitor.get(reverse(name))["Location"].startswith(reverse("account_login"))


def test_the_statement_adds_up(sara_client: Client, sold: Listing, now: datetime):
    response = sara_client.get(reverse("sales"))
    month = response.context["months"][0]
    assert (month.title, month.sale_count, month.paid_micros) == ("March 2026", 1, 10 * EURO)
    assert (month.on_hold_micros, month.charged_fee_micros, month.earned_micros) == (10 * EURO, 0, 0)
    assert response.context["rows"][0].note == "on hold"
    assert response.context["escrow_text"] == "EUR\N{NO-BREAK SPACE}10.00"
    release_earnings(at=now + timedelta(days=14))
    response = sara_client.get(reverse("sales"))
    month = response.context["months"][0]
    assert (month.on_hold_micros, month.charged_fee_micros, month.earned_micros) == (0, 800_000, 9_200_000)
    assert response.context["rows"][0].note == "earned"
    assert response.context["month_text"] == response.context["payable_text"] == "EUR\N{NO-BREAK SPACE}9.20"


@pytest.mark.parametrize("name", PAGES)
def test_buyers_appear_by_pseudonym_only(sara_client: Client, ben: User, sold: Listing, name: str):
    page = sara_client.get(reverse(name)).content.decode()
    assert sold.title in page
    assert ben.pseudonym in page
    assert ben.email not in page


@pytest.mark.parametrize("name", PAGES)
def test_a_stranger_sees_nothing_of_it(mallory_client: Client, sold: Listing, name: str):
    assert sold.title not in mallory_client.get(reverse(name)).content.decode()


def test_sales_carry_the_entry_of_their_record(sara_client: Client, sold: Listing):
    row = sara_client.get(reverse("sale_list")).context["rows"][0]
    assert row.seal.state == "signed"
    assert row.seal.number is not None


def test_sales_come_in_pages(
    sara_client: Client, sara: User, ben: User, mallory: User, now: datetime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("marketplace.web.views.sales.ROWS_A_PAGE", 2)
    _, listing = make_stocked_listing(sara, now)
    buyers = [ben, mallory, make_person("carla")]
    bought = [buy(listing, buyer, now + timedelta(hours=hour), is_recorded=False) for hour, buyer in enumerate(buyers)]
    first = sara_client.get(reverse("sale_list"))
    assert [row.purchase for row in first.context["rows"]] == [bought[2], bought[1]]
    second = sara_client.get(reverse("sale_list"), {"from": first.context["page"].next_mark})
    assert [row.purchase for row in second.context["rows"]] == [bought[0]]
    assert second.context["page"].next_mark == ""


def test_a_place_that_was_made_up_starts_at_the_top(sara_client: Client, sold: Listing):
    assert len(sara_client.get(reverse("sale_list"), {"from": "%%%"}).context["rows"]) == 1


def test_marks_come_back_as_they_were(sold: Listing):
    purchase = Purchase.objects.get()
    mark = encode_mark(purchase.purchased_at, purchase.public_id)
    assert decode_mark(mark) == (purchase.purchased_at, purchase.public_id)
    assert decode_mark("nonsense") is None
    assert decode_mark("") is None


def test_home_opens_two_doors_for_someone_new(sara_client: Client):
    page = sara_client.get(reverse("home")).content.decode()
    assert reverse("device_add") in page
    assert reverse("catalogue") in page


def test_home_counts_this_month_and_today(sara_client: Client, sold: Listing, now: datetime):
    release_earnings(at=now + timedelta(days=14))
    context = sara_client.get(reverse("home")).context
    assert context["earned_text"] == "EUR\N{NO-BREAK SPACE}9.20"
    assert context["readings_today"] == 60
    assert context["reads_today"] == 1


def test_home_shows_the_buyer_the_purchases(ben_client: Client, sold: Listing):
    page = ben_client.get(reverse("home")).content.decode()
    assert reverse("purchase_page", args=[Purchase.objects.get().public_id]) in page


def test_home_says_what_needs_the_owner(sara: User, now: datetime):
    old = now - timedelta(days=3)
    silent = make_signing_device(sara, old, name="Cellar").device
    add_waiting_device(sara, now, name="Attic")
    draft = make_draft(sara, now, consent=make_consent(sara, now, valid_until=now + timedelta(days=5)))
    ended = make_consent(sara, now, valid_until=now + timedelta(days=6))
    withdraw_consent(consent=ended, at=now)
    needs = logged_in(sara).get(reverse("home")).context["needs"]
    assert [need.title for need in needs] == [
        f"{silent.name} is silent",
        "Attic waits to be enrolled",
        "A consent ends in 5 days",
        f"“{draft.title}” is a draft",
    ]
