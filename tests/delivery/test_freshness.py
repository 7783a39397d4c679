"""A reading as it is reaches whoever subscribes within seconds; the others wait for the next sweep."""

from datetime import timedelta

import pytest
from django.utils import timezone

from devices.models import Batch, ReadingFile
from devices.services import resolve_batches
from marketplace.access.services import authorise
from marketplace.consents.models import Consent
from marketplace.delivery.models import Segment
from marketplace.delivery.services import current_version, files_for, refresh_table
from marketplace.delivery.tables.waiting import fresh_tables
from marketplace.delivery.tasks import refresh_fresh_tables_task, refresh_table_task
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import withdraw_listing_with_refunds
from tests.builders import EURO
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


@pytest.fixture
def subscribed(sara, ben):
    """A minute ago ben subscribed; his device has sent a reading just now, and it is resolved."""
    at = timezone.now() - timedelta(minutes=1)
    sender, listing = make_stocked_listing(sara, at, plans=[PlanTerms("period", EURO, 30 * 86_400)])
    fill_wallet(ben, 100, at)
    _, text = buy_token(listing, ben, at)
    refresh_table(listing=listing, at=at)
    sender.send([(timezone.now(), "air_temperature", 20.5)], timezone.now())
    resolve_batches(device=sender.device, at=timezone.now())
    return listing, text


def test_a_subscriber_sees_a_reading_after_the_next_look(subscribed, monkeypatch):
    listing, text = subscribed
    monkeypatch.setattr(refresh_table_task, "apply_async", lambda args, **_: refresh_table_task(*args))
    sent = timezone.now()
    assert fresh_tables(sent) == [listing.pk]
    refresh_fresh_tables_task()
    grant = authorise(token=text, at=timezone.now())
    assert sum(file.row_count for file in files_for(grant, version=current_version(listing))) == 1
    assert fresh_tables(timezone.now() + 3 * SECOND) == []


def test_a_batch_that_nobody_resolved_yet_is_enough(subscribed):
    listing, _ = subscribed
    refresh_table(listing=listing, at=timezone.now() - 5 * SECOND)
    ReadingFile.objects.update(updated_at=timezone.now() - timedelta(minutes=1))
    assert fresh_tables(timezone.now()) == []
    Batch.objects.update(resolved_at=None)
    assert fresh_tables(timezone.now()) == [listing.pk]


def test_who_does_not_subscribe_waits_for_the_sweep(subscribed):
    Purchase.objects.update(window_until=timezone.now() - SECOND)
    assert fresh_tables(timezone.now()) == []


@pytest.mark.parametrize("terms", [{"resolution": "1h"}, {"delay_seconds": 60}])
def test_what_is_computed_or_held_back_waits_for_the_sweep(subscribed, terms):
    Consent.objects.update(**terms)
    assert fresh_tables(timezone.now()) == []


def test_a_large_day_is_not_read_every_few_seconds(subscribed):
    listing, _ = subscribed
    refresh_table(listing=listing, at=timezone.now())
    Segment.objects.update(reading_count=300_001)
    ReadingFile.objects.update(updated_at=timezone.now())
    assert fresh_tables(timezone.now() + 3 * SECOND) == []


def test_a_withdrawn_listing_is_left_alone(subscribed):
    listing, _ = subscribed
    withdraw_listing_with_refunds(listing=listing, at=timezone.now())
    assert fresh_tables(timezone.now()) == []
