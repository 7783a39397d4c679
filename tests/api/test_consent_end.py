"""The API refuses what a consent doesn't last for, as the pages do."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.listings.services import set_plans
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Transfer
from tests.builders import EURO, make_consent, make_draft, make_listing

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
MONTH = PlanTerms("period", 5 * EURO, 30 * 86_400)


def test_refuses_a_purchase_and_says_when_the_consent_ends(sara, ben, api_as):
    start = timezone.now() - 2 * DAY
    consent = make_consent(sara, start, valid_until=start + 31 * DAY)
    listing = make_listing(sara, start, consent=consent, plans=[MONTH])
    plan = listing.plans.get()
    shown = api_as(ben).get(f"/api/catalogue/{listing.public_id}").json()
    assert datetime.fromisoformat(shown["valid_until"]) == consent.valid_until
    order = {"listing": listing.public_id, "plan": plan.public_id, "quoted_micros": plan.price_micros}

    response = api_as(ben).post("/api/purchases", order, format="json")

    assert (response.status_code, response.json()["code"]) == (409, "plan_outlives_consent")
    assert datetime.fromisoformat(response.json()["valid_until"]) == consent.valid_until
    assert not Purchase.objects.exists()
    assert not Transfer.objects.exists()
    assert not OutboxRow.objects.exists()


def test_refuses_to_publish_a_plan_that_outlives_the_consent(sara, api_as):
    now = timezone.now()
    draft = make_draft(sara, now, consent=make_consent(sara, now, valid_until=now + 30 * DAY))
    set_plans(listing=draft, plans=[MONTH])
    response = api_as(sara).post(f"/api/listings/{draft.public_id}/publication")
    assert (response.status_code, response.json()["code"]) == (409, "plan_outlives_consent")
    assert not OutboxRow.objects.filter(kind="listing.published").exists()


def test_refuses_plans_that_contradict_each_other(sara, api_as, now):
    draft = make_draft(sara, now)
    plans = [{"kind": "free", "price_micros": 0}, {"kind": "one_off", "price_micros": EURO}]
    response = api_as(sara).put(f"/api/listings/{draft.public_id}/plans", {"plans": plans}, format="json")
    assert (response.status_code, response.json()["code"]) == (422, "plans_conflict")
    assert not Plan.objects.exists()


def test_programs_add_a_plan_once_for_each_key(sara, api_as):
    listing = make_listing(sara, timezone.now())
    path = f"/api/listings/{listing.public_id}/plans"
    wanted = {"kind": "period", "price_micros": 2 * EURO, "period_days": 7}
    client = api_as(sara)
    answers = [client.post(path, wanted, format="json", HTTP_IDEMPOTENCY_KEY="one") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert [plan.kind for plan in listing.plans.order_by("position")] == ["one_off", "period"]
    conflict = client.post(path, wanted, format="json")
    assert (conflict.status_code, conflict.json()["code"]) == (422, "plans_conflict")
