"""A withdrawal that waits is not overtaken by buyers who come after it. On real connections."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from django.db import connection, transaction

from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from marketplace.consents.standing import rely_on_standing
from marketplace.listings.models import Listing
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Purchase

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_SECONDS = 10


def waiting_count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        return int(cursor.fetchone()[0])


def wait_for_waiting(count: int) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while waiting_count() < count:
        assert time.monotonic() < end, "nobody waits for the lock"
        time.sleep(0.01)


def test_a_buyer_after_a_waiting_withdrawal_waits_and_is_refused(buy, listing: Listing, rich_ben, now):
    is_held, may_end = Event(), Event()

    def rely() -> None:
        with transaction.atomic():
            rely_on_standing(listing.consent_id)
            is_held.set()
            assert may_end.wait(PATIENCE_SECONDS)

    def withdraw() -> Consent:
        return withdraw_consent(consent=listing.consent, at=now)

    def refused_buy() -> bool:
        with pytest.raises(ListingNotForSale):
            buy()
        return True

    def closing(act: Callable[[], object]) -> object:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=3) as threads:
        holder = threads.submit(closing, rely)
        assert is_held.wait(PATIENCE_SECONDS)
        withdrawal = threads.submit(closing, withdraw)
        wait_for_waiting(1)
        buyer = threads.submit(closing, refused_buy)
        wait_for_waiting(2)
        may_end.set()
        assert isinstance(withdrawal.result(PATIENCE_SECONDS), Consent)
        assert buyer.result(PATIENCE_SECONDS) is True
        holder.result(PATIENCE_SECONDS)
    assert not Purchase.objects.exists()
