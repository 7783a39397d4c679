"""The benches are no part of the suite, but what they compare must stay what they say."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connection

from bench import purchase
from bench.ledger_parts import records, writing
from tests.database_owner import owner_rights


@pytest.fixture
def sales_table() -> Iterator[None]:
    with owner_rights():
        writing.make_table()
        yield
        with closing(connection.cursor()) as cursor:
            cursor.execute("DROP TABLE bench_sale")


@pytest.mark.django_db
def test_purchases_with_and_without_their_record() -> None:
    listing, buyers = purchase.make_people()
    purchase.check(listing, listing.plans.get(), buyers[0])


@pytest.mark.django_db(transaction=True)
def test_the_outbox_row_of_a_purchase_and_of_the_shortest_transaction(sales_table: None) -> None:
    buy = writing.make_purchase()
    records.truncate("ledger_outboxrow")
    writing.check(buy)
