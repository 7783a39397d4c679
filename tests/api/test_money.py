"""A seller's money as JSON."""

from datetime import timedelta

import pytest

from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import release_earnings, start_clock
from marketplace.wallet.models import Transfer
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold(sara, ben, now):
    fill_wallet(ben, 20, now)
    listing = make_listing(sara, now, plans=[PlanTerms("period", 12 * EURO, 30 * 86_400)])
    start_clock(purchase=buy(listing, ben, now), at=now)
    release_earnings(at=now + timedelta(days=10))


def test_says_what_is_earned_and_on_hold(sold, sara, api_as):
    assert api_as(sara).get("/api/wallet").json() == {
        "balance_micros": 0,
        "earned_micros": 3_680_000,
        "on_hold_micros": 8 * EURO,
        "currency": "EUR",
    }
    statement = api_as(sara).get("/api/wallet/statement?account=escrow").json()["results"]
    assert [(line["kind"], line["amount_micros"]) for line in statement] == [
        ("release", -4 * EURO),
        ("purchase", 12 * EURO),
    ]


@pytest.mark.parametrize("account", ["provider", "market_fee", "x"])
def test_the_market_s_accounts_are_nobody_s_to_read(sold, sara, api_as, account):
    assert api_as(sara).get(f"/api/wallet/statement?account={account}").status_code == 404


def test_moves_earnings_once_for_each_key(sold, sara, api_as):
    client = api_as(sara)
    answers = [
        client.post("/api/wallet/moves", {"amount_micros": EURO}, format="json", HTTP_IDEMPOTENCY_KEY="one")
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (client.get("/api/wallet").json()["balance_micros"], Transfer.objects.filter(kind="to_wallet").count()) == (
        EURO,
        1,
    )
    conflict = client.post("/api/wallet/moves", {"amount_micros": 2}, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("micros", "code"),
    [(0, "invalid"), (-1, "invalid"), (2**63, "invalid"), ("x", "invalid"), (3_680_001, "insufficient_funds")],
)
def test_refuses_what_is_no_amount_or_too_much(sold, sara, api_as, micros, code):
    answer = api_as(sara).post("/api/wallet/moves", {"amount_micros": micros}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (402 if code == "insufficient_funds" else 400, code)
    assert not Transfer.objects.filter(kind="to_wallet").exists()


def test_a_stranger_moves_nothing(sold, mallory, api_as, client):
    assert api_as(mallory).post("/api/wallet/moves", {"amount_micros": 1}, format="json").status_code == 402
    assert client.post("/api/wallet/moves", {"amount_micros": 1}).status_code in {401, 403}
    assert not Transfer.objects.filter(kind="to_wallet").exists()
