"""A longer list costs no more queries than a short one."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.access.services import issue_token
from marketplace.delivery.services import is_ready, ready_pks, refresh_table
from marketplace.purchases.models import Purchase
from marketplace.wallet.services import start_top_up
from tests.builders import EURO, make_listing
from tests.builders_delivery import FREE, buy

pytestmark = pytest.mark.django_db

LISTS = {
    "devices": "sara",
    "consents": "sara",
    "listings": "sara",
    "catalogue": "ben",
    "purchases": "ben",
    "wallet/top-ups": "ben",
    "wallet/statement": "ben",
}


@pytest.mark.parametrize("path", LISTS)
def test_a_longer_list_costs_no_more_queries(sara, ben, api_as, now, path):
    client = api_as({"sara": sara, "ben": ben}[LISTS[path]])

    def sell(hours: int) -> None:
        at = now - timedelta(hours=hours)
        buy(make_listing(sara, at, plans=[FREE], title=f"Roof {hours}"), ben, at)
        start_top_up(user=ben, amount_micros=EURO, at=at)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(f"/api/{path}").status_code == 200
        return len(captured)

    sell(1)
    queries()
    few = queries()
    for hours in (2, 3, 4):
        sell(hours)
    assert queries() == few


def test_a_longer_list_of_tokens_costs_no_more_queries(sara, ben, api_as, now):
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    client = api_as(ben)
    counts = []
    for _ in range(3):
        issue_token(purchase=purchase, at=now)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(f"/api/purchases/{purchase.public_id}/tokens").status_code == 200
        counts.append(len(captured))
    assert counts[1] == counts[2]


def test_readiness_of_many_is_asked_at_once(sara, ben, now):
    ready = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    waiting = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    refresh_table(listing=ready.listing, at=now)
    assert ready_pks(Purchase.objects.all()) == {ready.pk}
    assert (is_ready(ready), is_ready(waiting), ready_pks([])) == (True, False, set())
