"""A longer list costs no more queries than a short one."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.accounts.models import User
from tests.builders import make_listing
from tests.builders_delivery import FREE, buy


@pytest.mark.parametrize("name", ["home", "device_list", "consent_list", "listing_list", "sales", "sale_list"])
def test_a_longer_list_costs_no_more_queries(sara_client: Client, sara: User, ben: User, now: datetime, name: str):
    def sell(hours: int) -> None:
        at = now - timedelta(hours=hours)
        buy(make_listing(sara, at, plans=[FREE], title=f"Roof {hours}"), ben, at)

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert sara_client.get(reverse(name)).status_code == 200
        return len(captured)

    sell(1)
    queries()
    few = queries()
    for hours in (2, 3, 4):
        sell(hours)
    assert queries() == few
