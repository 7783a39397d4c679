"""Whoever publishes or buys, on whichever way, has the data prepared at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.delivery.services import buy_and_prepare, publish_and_prepare
from marketplace.delivery.tasks import refresh_table_task
from marketplace.listings.errors import ListingIncomplete
from marketplace.listings.models import Listing
from marketplace.listings.services import set_plans
from marketplace.purchases.errors import PriceChanged
from marketplace.purchases.models import Purchase
from tests.builders import make_draft, make_listing
from tests.builders_delivery import FREE

pytestmark = pytest.mark.django_db
Callbacks = Callable[..., AbstractContextManager[list[Any]]]
MARKETPLACE = Path(__file__).resolve().parents[2] / "marketplace"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The arguments of every refresh that was handed to the broker."""
    calls: list[list[int]] = []
    monkeypatch.setattr(refresh_table_task, "apply_async", lambda args, **_: calls.append(args))
    return calls


def test_a_publication_has_the_table_made(
    sara: User, now: datetime, sent: list[list[int]], django_capture_on_commit_callbacks: Callbacks
) -> None:
    draft = make_draft(sara, now)
    with pytest.raises(ListingIncomplete), django_capture_on_commit_callbacks(execute=True):
        publish_and_prepare(listing=draft, at=now)
    assert sent == []
    set_plans(listing=draft, plans=[FREE])
    with django_capture_on_commit_callbacks(execute=True):
        assert publish_and_prepare(listing=draft, at=now).published_at == now
    assert sent == [[draft.pk]]


def test_so_does_the_page(
    sara: User, now: datetime, client: Client, sent: list[list[int]], django_capture_on_commit_callbacks: Callbacks
) -> None:
    draft = make_draft(sara, now)
    set_plans(listing=draft, plans=[FREE])
    client.force_login(sara, backend="django.contrib.auth.backends.ModelBackend")
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(reverse("listing_publication", args=[draft.public_id])).status_code == 302
    assert Listing.objects.get().published_at is not None
    assert sent == [[draft.pk]]


def test_a_purchase_has_the_table_refreshed(
    sara: User, ben: User, now: datetime, sent: list[list[int]], django_capture_on_commit_callbacks: Callbacks
) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    order: dict[str, Any] = {"listing": listing, "plan": listing.plans.get(), "buyer": ben, "at": now}
    with pytest.raises(PriceChanged), django_capture_on_commit_callbacks(execute=True):
        buy_and_prepare(quoted_micros=1, **order)
    assert (sent, Purchase.objects.exists()) == ([], False)
    with django_capture_on_commit_callbacks(execute=True):
        purchase = buy_and_prepare(quoted_micros=0, **order)
    assert (purchase.buyer, sent) == (ben, [[listing.pk]])


@pytest.mark.parametrize("folder", ["api", "web/views"])
def test_no_door_leaves_it_out(folder: str) -> None:
    sources = {path.name: path.read_text() for path in (MARKETPLACE / folder).rglob("*.py")}
    assert [name for name, text in sources.items() if "publish_listing(" in text or "buy_listing(" in text] == []
