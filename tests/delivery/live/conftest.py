"""A live server of its own for each test: its database is emptied between them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from marketplace.access.models import AccessToken
from marketplace.access.services import MOST_ROWS, Narrowing, issue_token
from marketplace.accounts.models import User
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from tests.builders_delivery import Reading, SigningDevice, bearer, buy_token, make_stocked_listing
from tests.builders_money import EURO, fill_wallet
from tests.delivery.live.process import LiveServer, Stream

ROWS = 150_000
MONTH = PlanTerms("period", EURO, 30 * 86_400)


@dataclass
class Subscription:
    """What ben bought of sara's listing: a period, so that what comes from now on is his."""

    sender: SigningDevice
    listing: Listing
    purchase: Purchase
    token: AccessToken
    text: str

    @property
    def path(self) -> str:
        return f"/live/{self.purchase.public_id}/readings"

    def open(self, server: LiveServer, last_id: str = "") -> Stream:
        return Stream(server, self.path, bearer(self.text), last_id)

    def send(self, *values: float, at: datetime | None = None, name: str = "air_temperature") -> list[datetime]:
        """Send readings a millisecond apart, the last of them of now."""
        now = timezone.now()
        times = [(at or now) - timedelta(milliseconds=number) for number in reversed(range(len(values)))]
        times = [time.replace(microsecond=time.microsecond // 1000 * 1000) for time in times]
        self.sender.send([(time, name, value) for time, value in zip(times, values, strict=True)], now)
        return times


def subscribe(seller: User, buyer: User, plan: PlanTerms = MONTH, **terms: Any) -> Subscription:
    at = timezone.now()
    sender, listing = make_stocked_listing(seller, at, plans=[plan], **terms)
    fill_wallet(buyer, 20, at)
    token, text = buy_token(listing, buyer, at)
    if plan.kind == "period":
        # Many readings at moments of their own do not fit into the seconds since the purchase.
        token.purchase.window_from = at - timedelta(hours=1)
        token.purchase.save(update_fields=["window_from"])
    return Subscription(sender, listing, token.purchase, token, text)


@pytest.fixture
def server(transactional_db: None, tmp_path: Path) -> Iterator[LiveServer]:
    process = LiveServer(tmp_path)
    process.start()
    yield process
    process.kill()


@pytest.fixture
def subscription(server: LiveServer, sara: User, ben: User) -> Subscription:
    return subscribe(sara, ben)


@pytest.fixture
def large(server: LiveServer, sara: User, ben: User) -> Subscription:
    """Many readings of the last minutes, with values that don't compress, and a token whose rows are limited."""
    now, values = timezone.now(), random.Random(5)
    times = (now - timedelta(milliseconds=5 * number) for number in range(ROWS))
    readings: list[Reading] = [(time, "air_temperature", values.random()) for time in times]
    found = subscribe(sara, ben, readings=readings[:10_000])
    for start in range(10_000, ROWS, 10_000):
        found.sender.send(readings[start : start + 10_000], now)
    refresh_table(listing=found.listing, at=timezone.now())
    found.token, found.text = issue_token(
        purchase=found.purchase, at=timezone.now(), narrowing=Narrowing(row_cap=MOST_ROWS)
    )
    return found


@pytest.fixture(autouse=True)
def _no_failures_yet() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
