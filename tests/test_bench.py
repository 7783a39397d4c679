"""The benches are no part of the suite, but what they compare must stay what they say."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from django.db import connection

from bench import purchase
from bench.delivery_parts import segments
from bench.ledger_parts import records, writing
from devices.models import Device
from marketplace.delivery.models import DeliveryTable, Segment
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


@pytest.mark.django_db
def test_segments_hold_the_rows_that_another_engine_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DAYS": 2, "MOMENTS": 2_400, "ROUNDS": 1}.items():
        monkeypatch.setattr(segments, name, value)
    assert [row.goal for row in segments.run()] == [1.0, 1.0]
    table = DeliveryTable.objects.earliest("pk")
    segments.check(table.listing, Device.objects.get(), "raw")
    Segment.objects.current().filter(table=table).latest("pk").delete()
    with pytest.raises(AssertionError, match="other times"):
        segments.check(table.listing, Device.objects.get(), "raw")
