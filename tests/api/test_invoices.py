"""Invoices, payouts, refunds and disputes as JSON."""

import pytest
from django.utils import timezone

from marketplace.disputes.models import Dispute
from marketplace.invoices.services import issue_due
from marketplace.purchases.models import Refund
from marketplace.wallet.gateway.models import Payout
from marketplace.wallet.gateway.services import open_payee
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_gateway import earn
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(sara, ben):
    at = timezone.now()
    fill_wallet(ben, 40, at)
    return buy(make_listing(sara, at), ben, at)


def test_shows_an_invoice_whole_to_whom_it_was_made_out(purchase, ben, sara, mallory, api_as):
    issue_due(at=timezone.now())
    (listed,) = api_as(ben).get("/api/invoices").json()["results"]
    assert (listed["series"], listed["purchase"]) == ("invoice", str(purchase.public_id))
    assert listed["number"].startswith("INV-")
    assert listed["total_micros"] == listed["net_micros"] + listed["tax_micros"] == purchase.price_micros
    path = f"/api/invoices/{listed['id']}"
    whole = api_as(ben).get(path).json()
    assert whole["issuer"]["name"]
    assert sum(line["total_micros"] for line in whole["lines"]) == whole["total_micros"]
    for stranger in (sara, mallory):
        assert api_as(stranger).get(path).status_code == 404
        assert api_as(stranger).get("/api/invoices").json()["results"] == []


def test_pays_earnings_out_once_for_each_key(sara, ben, mallory, api_as):
    client, at = api_as(sara), timezone.now()
    refused = client.post("/api/wallet/payouts", {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "payee_not_ready")
    earn(sara, ben, 50, at)
    open_payee(user=sara, return_address="", at=at)
    wanted = {"amount_micros": 20 * EURO}
    answers = [
        client.post("/api/wallet/payouts", wanted, format="json", HTTP_IDEMPOTENCY_KEY="one").json() for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert (answers[0]["amount_micros"], answers[0]["state"], Payout.objects.count()) == (20 * EURO, "requested", 1)
    too_much = client.post("/api/wallet/payouts", {"amount_micros": 31 * EURO}, format="json")
    assert too_much.json()["code"] == "insufficient_funds"
    everything = client.post("/api/wallet/payouts", {}, format="json").json()
    assert everything["amount_micros"] == 30 * EURO
    path = f"/api/wallet/payouts/{everything['id']}"
    assert client.get(path).json() == everything
    assert api_as(mallory).get(path).status_code == 404


def test_gives_a_purchase_back_for_the_asking_once(purchase, ben, sara, mallory, api_as):
    path = f"/api/purchases/{purchase.public_id}/refund"
    assert api_as(ben).get(path).json() == {
        "refund_micros": purchase.price_micros,
        "currency": "EUR",
        "refusal": None,
    }
    for stranger in (sara, mallory):
        assert api_as(stranger).get(path).status_code == 404
        assert api_as(stranger).post(path).status_code == 404
    given = api_as(ben).post(path, HTTP_IDEMPOTENCY_KEY="one")
    assert (given.status_code, given.json()["amount_micros"]) == (201, purchase.price_micros)
    assert api_as(ben).post(path, HTTP_IDEMPOTENCY_KEY="one").json() == given.json()
    assert api_as(ben).post(path).json()["code"] == "nothing_to_refund"
    assert api_as(ben).get(path).json()["refusal"] == "nothing_to_refund"
    assert Refund.objects.count() == 1


def test_a_dispute_is_opened_answered_and_taken_back_by_whom_it_concerns(purchase, ben, sara, mallory, api_as):
    opening = f"/api/purchases/{purchase.public_id}/disputes"
    said = {"reason": "incomplete", "text": "Three days are missing."}
    for stranger in (sara, mallory):
        assert api_as(stranger).post(opening, said, format="json").status_code == 404
    opened = api_as(ben).post(opening, said, format="json")
    assert opened.status_code == 201
    assert api_as(ben).post(opening, said, format="json").json()["code"] == "dispute_open_already"
    path = f"/api/disputes/{opened.json()['id']}"
    assert api_as(mallory).get(path).status_code == 404
    assert api_as(ben).post(f"{path}/answer", {"text": "Me."}, format="json").status_code == 404
    answered = api_as(sara).post(f"{path}/answer", {"text": "The roof was under snow."}, format="json").json()
    assert answered["answer"] == "The roof was under snow."
    twice = api_as(sara).post(f"{path}/answer", {"text": "Twice."}, format="json")
    assert twice.json()["code"] == "dispute_answered_already"
    assert api_as(sara).post(f"{path}/closing").status_code == 404
    assert api_as(ben).post(f"{path}/closing").json()["closed_at"] is not None
    assert api_as(ben).post(f"{path}/closing").json()["code"] == "dispute_ended"
    for party in (ben, sara):
        assert len(api_as(party).get("/api/disputes").json()["results"]) == 1
    assert Dispute.objects.count() == 1
