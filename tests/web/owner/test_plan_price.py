"""Asking another price of a published plan."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import set_plans
from tests.builders import EURO, make_draft, make_listing


def address(plan: Plan) -> str:
    return reverse("plan_price", args=[plan.listing.public_id, plan.public_id])


def test_a_new_price_is_recorded_and_shown(sara_client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    plan = listing.plans.get()
    own_page = reverse("own_listing", args=[listing.public_id])
    assert address(plan) in sara_client.get(own_page).content.decode()
    assert "5.00" in sara_client.get(address(plan)).content.decode()
    assert sara_client.post(address(plan), {"price": "7.50"})["Location"] == own_page
    assert Listing.objects.live_at(now).get() == listing
    page = sara_client.get(own_page)
    assert "The new price holds from now on." in page.content.decode()
    newest = page.context["events"][0]
    assert (newest["title"], newest["seal_state"]) == ("New price", "waiting")
    sequence_batch(at=timezone.now())
    newest = sara_client.get(own_page).context["events"][0]
    assert (newest["title"], newest["seal_state"]) == ("New price", "signed")
    assert Listing.objects.live_at(now).get().plans.public().get().price_micros == 7_500_000


@pytest.mark.parametrize("price", ["", "0", "-1", "free", "1.005", "2000000", "1e3", "1_000", "١٢"])
def test_refuses_what_is_no_price(sara_client: Client, sara: User, now: datetime, price: str):
    plan = make_listing(sara, now).plans.get()
    assert sara_client.post(address(plan), {"price": price}).status_code == 422
    assert Plan.objects.get().price_micros == 5 * EURO
    assert not OutboxRow.objects.exists()


def test_a_stranger_and_a_visitor_change_nothing(mallory_client: Client, visitor: Client, sara: User, now: datetime):
    plan = make_listing(sara, now).plans.get()
    assert mallory_client.get(address(plan)).status_code == 404
    assert mallory_client.post(address(plan), {"price": "1"}).status_code == 404
    assert visitor.post(address(plan), {"price": "1"}).status_code == 302
    assert Plan.objects.get().price_micros == 5 * EURO


def test_drafts_and_free_plans_have_no_such_page(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    (draft_plan,) = set_plans(listing=draft, plans=[PlanTerms("one_off", EURO)])
    free = make_listing(sara, now, plans=[PlanTerms("free", 0)]).plans.get()
    assert sara_client.get(address(draft_plan)).status_code == 404
    assert sara_client.get(address(free)).status_code == 404
