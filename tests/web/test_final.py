"""What is final says so on every screen that shows it, and nothing says so before."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from ledger.models import Checkpoint, Entry, FinalCheckpoint
from ledger.notes import TreeHead
from ledger.services import final_size
from ledger.signing import log_signer, log_verifier_key
from marketplace.accounts.models import User
from marketplace.listings.models import Listing
from marketplace.web.buyer.orders import purchase_steps
from marketplace.web.owner.device_facts import device_timeline
from marketplace.web.records import WAITING, seal_of, seals_of
from marketplace.web.seals import Seal
from tests.builders import make_listing
from tests.builders_receipts import cosigned, write_policy

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_cache(settings: Settings, tmp_path: Path) -> None:
    cache.clear()
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)


def make_final(size: int) -> None:
    head = TreeHead(log_verifier_key().name, size, b"\x00" * 32)
    FinalCheckpoint.objects.create(size=size, note=cosigned(log_signer().sign(head.text())), final_at=timezone.now())


def index_of(listing: Listing) -> int:
    assert listing.entry_id is not None
    return Entry.objects.get(entry_id=listing.entry_id).index


def test_a_record_is_final_when_a_final_checkpoint_covers_it(sara: User, now: datetime):
    listing = make_listing(sara, now)
    index = index_of(listing)
    assert seal_of(listing.entry_id).state == "signed"
    make_final(index)
    assert (final_size(), seal_of(listing.entry_id).state) == (index, "signed")
    make_final(index + 1)
    assert (final_size(), seal_of(listing.entry_id).state) == (index + 1, "final")
    assert seal_of(listing.entry_id) == Seal("final", index, reverse("log_entry", args=[index]))


def test_all_seals_of_a_page_cost_two_queries(
    sara: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
):
    listings = [make_listing(sara, now, title=f"Listing {number}") for number in range(3)]
    make_final(index_of(listings[1]) + 1)
    unknown = uuid4()
    with django_assert_num_queries(2):
        seals = seals_of([*(listing.entry_id for listing in listings), unknown, None])
    assert [seals[listing.entry_id].state for listing in listings] == ["final", "final", "signed"]
    assert seals[unknown] == WAITING


def test_a_device_shows_its_life_as_final(sara: User, now: datetime):
    device = make_listing(sara, now).consent.devices.get()
    numbered = [row for row in device_timeline(device) if row.get("entry_number") is not None]
    assert {row["seal_state"] for row in numbered} == {"signed"}
    make_final(Entry.objects.count())
    final = [row for row in device_timeline(device) if row.get("entry_number") is not None]
    assert {row["seal_state"] for row in final} == {"final"}
    assert len(final) == len(numbered) > 0


def test_an_entry_says_that_it_is_witnessed(client: Client, sara: User, now: datetime):
    index = index_of(make_listing(sara, now))
    address = reverse("log_entry", args=[index])
    assert "seal-signed" in client.get(address).content.decode()
    checkpoint = Checkpoint.objects.filter(size__gt=index).earliest("size")
    FinalCheckpoint.objects.create(size=checkpoint.size, note=cosigned(checkpoint.note), final_at=now)
    page = client.get(address).content.decode()
    assert "seal-final" in page
    assert "enough witnesses have cosigned" in page


def test_the_landing_page_tells_how_much_is_final(client: Client, sara: User, now: datetime):
    make_listing(sara, now)
    size = Entry.objects.count()
    page = client.get(reverse("landing")).content.decode()
    assert "seal-final" not in page
    assert "are final" not in page
    make_final(size)
    page = client.get(reverse("landing")).content.decode()
    assert f"The first {size} entries are final" in page
    assert "seal-final" in page


STEPS = [
    ("waiting", None, True, "Being witnessed", "next"),
    ("signed", 7, True, "Being witnessed", "now"),
    ("final", 7, True, "Witnessed", "done"),
]


@pytest.mark.parametrize(("state", "number", "is_ready", "title", "shown"), STEPS)
def test_a_purchase_is_witnessed_when_it_is_final(state, number, is_ready, title, shown):
    class Bought:
        price_micros = 0
        purchased_at = None

    steps = purchase_steps(Bought(), Seal(state, number), is_ready, has_witnesses=True)  # type: ignore[arg-type]  # No row needed.
    assert (steps[2]["title"], steps[2]["state"]) == (title, shown)
    assert len(steps) == 4
    assert len(purchase_steps(Bought(), Seal(state, number), is_ready, has_witnesses=False)) == 3  # type: ignore[arg-type]  # As above.
