"""Who may read an owner's data, as JSON."""

import pytest
from django.utils import timezone

from marketplace.purchases.services import withdraw_consent_with_refunds
from tests.builders import make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


def test_owners_see_their_buyers_and_nobody_else_does(sara, ben, mallory, api_as):
    at = timezone.now()
    fill_wallet(ben, 20, at)
    purchase = buy(make_listing(sara, at), ben, at)
    (row,) = api_as(sara).get("/api/access?state=now").json()["results"]
    assert (row["purchase"], row["buyer"], row["ended"]) == (str(purchase.public_id), ben.pseudonym, "")
    assert row["reads"] == {"read_count": 0, "row_count": 0, "last_read_at": None}
    held = api_as(ben).get(f"/api/purchases/{purchase.public_id}").json()
    assert (held["ended"], held["paid_micros"]) == ("", purchase.price_micros)
    for stranger in (ben, mallory):
        assert api_as(stranger).get("/api/access").json()["results"] == []

    withdraw_consent_with_refunds(consent=purchase.listing.consent, at=timezone.now())

    assert api_as(sara).get("/api/access?state=now").json()["results"] == []
    (row,) = api_as(sara).get("/api/access").json()["results"]
    assert row["ended"] == "consent_withdrawn"
    assert api_as(ben).get(f"/api/purchases/{purchase.public_id}").json()["ended"] == "consent_withdrawn"
