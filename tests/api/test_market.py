"""The same acts as the pages, as JSON: selling and buying, each refusal, the stranger."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.consents.models import Consent
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Transfer
from tests.builders import EURO, make_consent, make_device, make_listing

pytestmark = pytest.mark.django_db

# The views read the real clock.
NEXT_YEAR = (timezone.now() + timedelta(days=200)).isoformat()


def top_up(client: APIClient, euros: int) -> None:
    started = client.post("/api/wallet/top-ups", {"amount_micros": euros * EURO}, format="json").json()
    paid = client.post(f"/api/wallet/top-ups/{started['id']}/outcome", {"outcome": "pay"}, format="json")
    assert paid.json()["state"] == "paid"


def order(listing: Listing, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    plan = listing.plans.get()
    wanted = {"listing": str(listing.public_id), "plan": str(plan.public_id), "quoted_micros": plan.price_micros}
    return wanted | (changes or {})


def test_sells_and_buys(sara, ben, api_as, now):
    seller, buyer = api_as(sara), api_as(ben)
    device = make_device(sara, now)
    terms = {
        "devices": [str(device.public_id)],
        "fields": ["air_temperature"],
        "resolution": "raw",
        "purposes": ["AcademicResearch"],
        "valid_until": NEXT_YEAR,
    }
    consent = seller.post("/api/consents", terms, format="json").json()
    assert (consent["entry_index"], consent["fields"]) == (None, ["air_temperature"])
    texts = {"title": "Roof", "summary": "A roof.", "category": "weather", "licence_text": "Use it."}
    draft = seller.post("/api/listings", texts | {"consent": consent["id"]}, format="json").json()
    plans = {"plans": [{"kind": "one_off", "price_micros": 5 * EURO}]}
    assert seller.put(f"/api/listings/{draft['id']}/plans", plans, format="json").status_code == 200
    assert seller.post(f"/api/listings/{draft['id']}/publication").json()["published_at"] is not None
    sequence_batch(at=now)
    assert seller.get(f"/api/consents/{consent['id']}").json()["entry_index"] is not None

    found = APIClient().get("/api/catalogue", {"q": "roof"}).json()
    assert [listing["id"] for listing in found["results"]] == [draft["id"]]
    top_up(buyer, 10)
    bought = buyer.post("/api/purchases", order(Listing.objects.get()), format="json")
    assert bought.status_code == 201
    assert buyer.get("/api/wallet").json() == {
        "balance_micros": 5 * EURO,
        "earned_micros": 0,
        "on_hold_micros": 0,
        "currency": "EUR",
    }
    assert [line["amount_micros"] for line in buyer.get("/api/wallet/statement").json()["results"]] == [
        -5 * EURO,
        10 * EURO,
    ]

    sequence_batch(at=now)
    refresh_table(listing=Listing.objects.get(), at=timezone.now())
    purchase = buyer.get(f"/api/purchases/{bought.json()['id']}").json()
    assert purchase["is_ready"] is True
    token = buyer.post(f"/api/purchases/{purchase['id']}/tokens").json()
    assert token["profile"]["bearerToken"] == token["token"]
    shares = APIClient().get("/delta-sharing/shares", HTTP_AUTHORIZATION=f"Bearer {token['token']}")
    assert [share["name"] for share in shares.json()["items"]] == [Listing.objects.get().share_name]

    assert seller.post(f"/api/consents/{consent['id']}/withdrawal").json()["withdrawn_at"] is not None
    refused = APIClient().get("/delta-sharing/shares", HTTP_AUTHORIZATION=f"Bearer {token['token']}")
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"quoted_micros": 4 * EURO}, 409, "price_changed"),
        ({}, 402, "insufficient_funds"),
        ({"plan": str(uuid4())}, 404, "not_found"),
        ({"listing": str(uuid4())}, 404, "not_found"),
        ({"listing": "../../etc/passwd"}, 400, "invalid"),
        ({"quoted_micros": -1}, 400, "invalid"),
    ],
)
def test_refuses_a_purchase(sara, ben, api_as, now, changes, status, code):
    listing = make_listing(sara, now)
    response = api_as(ben).post("/api/purchases", order(listing, changes), format="json")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response["Content-Type"] == "application/problem+json"
    assert not Purchase.objects.exists()
    assert not OutboxRow.objects.exists()


def test_refuses_one_s_own_listing(sara, api_as, now):
    listing = make_listing(sara, now)
    response = api_as(sara).post("/api/purchases", order(listing), format="json")
    assert (response.status_code, response.json()["code"]) == (403, "own_listing")
    assert not Purchase.objects.exists()
    assert not Transfer.objects.exists()
    assert not OutboxRow.objects.exists()


def test_a_stranger_does_not_learn_of_a_listing_for_named_people(sara, ben, mallory, api_as, now):
    consent = make_consent(sara, now, audience="named", buyer_emails=[ben.email])
    listing = make_listing(sara, now, consent=consent)
    unknown = api_as(mallory).post("/api/purchases", order(listing, {"listing": str(uuid4())}), format="json")
    response = api_as(mallory).post("/api/purchases", order(listing), format="json")
    assert (response.status_code, response.content) == (404, unknown.content)
    assert api_as(mallory).get(f"/api/catalogue/{listing.public_id}").status_code == 404
    assert api_as(ben).post("/api/purchases", order(listing), format="json").json()["code"] == "insufficient_funds"
    assert not Purchase.objects.exists()


def test_a_new_price_is_told_while_the_log_stands_still(sara, ben, api_as, now):
    listing = make_listing(sara, now)
    shown = order(listing)
    address = f"/api/listings/{listing.public_id}/plans/{shown['plan']}/price"
    assert api_as(sara).put(address, {"price_micros": 7 * EURO}, format="json").json()["price_micros"] == 7 * EURO
    response = api_as(ben).post("/api/purchases", shown, format="json")
    assert (response.status_code, response.json()["code"]) == (409, "price_changed")
    assert not Purchase.objects.exists()


def test_refuses_terms_that_no_consent_can_have(sara, api_as, now):
    device = make_device(sara, now)
    terms = {"devices": [str(device.public_id)], "fields": ["wind"], "resolution": "raw", "purposes": ["Verification"]}
    response = api_as(sara).post("/api/consents", terms | {"valid_until": NEXT_YEAR}, format="json")
    assert (response.status_code, response.json()["code"]) == (422, "field_unknown")
    assert "valid_until" in api_as(sara).post("/api/consents", terms, format="json").json()["errors"]
    assert not Consent.objects.exists()


def test_a_stranger_finds_nothing_and_changes_nothing(sara, ben, mallory, api_as, now):
    stranger = api_as(mallory)
    listing = make_listing(sara, now)
    consent = listing.consent
    device = make_device(sara, now)
    buyer = api_as(ben)
    top_up(buyer, 10)
    purchase = buyer.post("/api/purchases", order(listing), format="json").json()
    sequence_batch(at=now)
    token = buyer.post(f"/api/purchases/{purchase['id']}/tokens").json()
    started = buyer.post("/api/wallet/top-ups", {"amount_micros": EURO}, format="json").json()

    for path in (
        f"/api/devices/{device.public_id}",
        f"/api/devices/{device.public_id}/batches",
        f"/api/consents/{consent.public_id}",
        f"/api/listings/{listing.public_id}",
        f"/api/purchases/{purchase['id']}",
        f"/api/purchases/{purchase['id']}/tokens",
    ):
        assert stranger.get(path).status_code == 404, path
    for path in (
        f"/api/devices/{device.public_id}/claims",
        f"/api/devices/{device.public_id}/retirement",
        f"/api/consents/{consent.public_id}/withdrawal",
        f"/api/listings/{listing.public_id}/publication",
        f"/api/listings/{listing.public_id}/withdrawal",
        f"/api/purchases/{purchase['id']}/tokens",
        f"/api/tokens/{token['id']}/rotation",
        f"/api/tokens/{token['id']}/revocation",
    ):
        assert stranger.post(path).status_code == 404, path
    outcome = stranger.post(f"/api/wallet/top-ups/{started['id']}/outcome", {"outcome": "pay"}, format="json")
    assert outcome.status_code == 404
    terms = {
        "devices": [str(device.public_id)],
        "fields": ["humidity"],
        "resolution": "raw",
        "purposes": ["Verification"],
        "valid_until": NEXT_YEAR,
    }
    assert stranger.post("/api/consents", terms, format="json").json()["code"] == "device_not_usable"
    draft = {"consent": str(consent.public_id), "title": "x", "summary": "x", "category": "air", "licence_text": "x"}
    assert stranger.post("/api/listings", draft, format="json").status_code == 404
    consent.refresh_from_db()
    listing.refresh_from_db()
    assert (consent.withdrawn_at, listing.withdrawn_at) == (None, None)


def test_drafts_stay_out_of_the_catalogue_and_can_be_deleted(sara, api_as, now):
    seller, consent = api_as(sara), make_consent(sara, now)
    texts = {"title": "Roof", "summary": "A roof.", "category": "weather", "licence_text": "Use it."}
    draft = seller.post("/api/listings", texts | {"consent": str(consent.public_id)}, format="json").json()
    assert APIClient().get(f"/api/catalogue/{draft['id']}").status_code == 404
    assert seller.post(f"/api/listings/{draft['id']}/publication").json()["code"] == "listing_incomplete"
    assert seller.delete(f"/api/listings/{draft['id']}").status_code == 204
    assert not Listing.objects.exists()


def test_lists_come_in_pages(sara, api_as, now):
    for _ in range(51):
        make_device(sara, now, measures=())
    client = api_as(sara)
    first = client.get("/api/devices").json()
    second = client.get(first["next"]).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (50, 1, None)


def test_a_free_plan_is_sold_once_and_the_refusal_names_the_purchase(ben, api_as, sara):
    listing = make_listing(sara, timezone.now() - timedelta(minutes=5), plans=[PlanTerms("free", 0)])
    body = {"listing": listing.public_id, "plan": listing.plans.get().public_id, "quoted_micros": 0}
    first = api_as(ben).post("/api/purchases", body, format="json")
    second = api_as(ben).post("/api/purchases", body, format="json")
    assert (first.status_code, second.status_code) == (201, 409)
    assert (second.json()["code"], second.json()["purchase"]) == ("already_purchased", first.json()["id"])
