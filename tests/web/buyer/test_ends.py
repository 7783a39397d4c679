"""How pages say when and by what a thing ended, and that a payment page is never shown from memory."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from ledger.models import Entry
from ledger.services import sequence_batch
from marketplace.consents.services import withdraw_consent
from marketplace.listings.models import Plan
from marketplace.wallet.services import start_top_up
from marketplace.web.buyer.cards import silence_warning
from marketplace.web.templatetags.ownstream import until
from tests.builders import EURO

pytestmark = pytest.mark.django_db


def entry_of(entry_id):
    return reverse("log_entry", args=[Entry.objects.for_ids([entry_id])[entry_id]])


@pytest.fixture
def withdrawn(ready, at):
    withdraw_consent(consent=ready.listing.consent, at=at + timedelta(seconds=2))
    sequence_batch(at=at + timedelta(seconds=3))
    ready.listing.consent.refresh_from_db()
    return ready


def test_the_receipt_says_when_and_by_which_entry_access_ended(as_ben, withdrawn):
    text = as_ben.get(reverse("purchase_receipt", args=[withdrawn.public_id])).text
    assert "Access ended" in text
    assert "the owner withdrew the consent" in text
    assert "Access until" not in text
    assert entry_of(withdrawn.listing.consent.withdrawal_entry_id) in text


def test_the_receipt_of_a_living_purchase_says_until_when(as_ben, ready):
    text = as_ben.get(reverse("purchase_receipt", args=[ready.public_id])).text
    assert "Access until" in text
    assert "Access ended" not in text


def test_the_owners_seals_prove_the_end(as_sara, withdrawn):
    listing, proof = withdrawn.listing, entry_of(withdrawn.listing.consent.withdrawal_entry_id)
    header = as_sara.get(reverse("consent_page", args=[listing.consent.public_id])).text.split("</header>")
    assert any(proof in part for part in header if "<h1>" in part)
    page = as_sara.get(reverse("listing_list")).text
    assert proof in page
    assert entry_of(listing.entry_id) not in page


def test_an_ended_listing_sells_nothing_and_says_since_when(as_ben, withdrawn):
    text = as_ben.get(reverse("listing_page", args=[withdrawn.listing.public_id])).text
    assert "Over since" in text
    assert 'class="plan"' not in text
    assert "What it was sold for" in text


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (datetime(2027, 7, 1, tzinfo=UTC), "the end of 30 Jun 2027 (UTC)"),
        (datetime(2027, 7, 1, 8, 30, 5, tzinfo=UTC), "1 Jul 2027, 08:30:05 UTC"),
    ],
)
def test_an_end_has_one_date(moment, words):
    assert f">{words}<" in until(moment)


@pytest.mark.parametrize(("age", "count"), [(timedelta(hours=1), 0), (timedelta(days=9), 1)])
def test_a_period_of_a_silent_device_is_sold_with_a_warning(ready, at, age, count):
    listing = ready.listing
    listing.quality.last_reading_at = at - age - timedelta(seconds=listing.consent.delay_seconds)
    assert len(silence_warning(Plan(kind=Plan.Kind.PERIOD), listing, at)) == count
    assert silence_warning(Plan(kind=Plan.Kind.ONE_OFF), listing, at) == []


def test_a_payment_page_is_never_shown_from_memory(as_ben, ben, at):
    top_up = start_top_up(user=ben, amount_micros=5 * EURO, at=at)
    answer = as_ben.get(reverse("top_up_page", args=[top_up.public_id]))
    assert "no-store" in answer["Cache-Control"]


def test_programs_find_what_they_ask_every_site_for(client):
    assert client.get("/favicon.ico").url.endswith(".svg")
    assert client.get("/robots.txt")["Content-Type"] == "text/plain"
