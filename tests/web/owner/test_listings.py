from __future__ import annotations

from datetime import datetime

from django.test import Client
from django.urls import reverse

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.listings.services import set_plans
from tests.builders import make_draft, make_listing
from tests.builders_delivery import buy_token, make_stocked_listing


def test_an_empty_list_leads_to_the_first_listing(sara_client: Client):
    assert reverse("listing_add") in sara_client.get(reverse("listing_list")).content.decode()


def test_the_list_shows_every_state(sara_client: Client, sara: User, now: datetime):
    make_listing(sara, now, title="Alive")
    make_draft(sara, now, title="Sketch")
    gone = make_listing(sara, now, title="Gone")
    withdraw_consent(consent=gone.consent, at=now)
    make_listing(sara, now, title="Fresh", is_recorded=False)
    rows = sara_client.get(reverse("listing_list")).context["rows"]
    states = {row.listing.title: row.state.value for row in rows}
    assert states == {"Alive": "live", "Sketch": "draft", "Gone": "ended", "Fresh": "waiting"}


def test_the_state_agrees_with_the_catalogue(sara_client: Client, sara: User, now: datetime):
    make_listing(sara, now, title="Alive")
    make_listing(sara, now, title="Fresh", is_recorded=False)
    rows = sara_client.get(reverse("listing_list")).context["rows"]
    live = set(Listing.objects.live_at(now))
    assert {row.listing for row in rows if row.state.value == "live"} == live


def test_publishing_waits_for_the_log_and_then_is_live(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    set_plans(listing=draft, plans=[PlanTerms("free", 0)])
    page_address = reverse("own_listing", args=[draft.public_id])
    assert sara_client.post(reverse("listing_publication", args=[draft.public_id]))["Location"] == page_address
    page = sara_client.get(page_address)
    assert "On its way to the catalogue" in page.content.decode()
    status = reverse("listing_status", args=[draft.public_id])
    assert sara_client.get(status, {"seen": page.context["done_count"]}).status_code == 204
    assert sara_client.get(status, {"seen": "0"}).status_code == 200
    sequence_batch(at=now)
    fragment = sara_client.get(status, {"seen": page.context["done_count"]}).content.decode()
    assert "This listing is live." in fragment
    assert "hx-trigger" not in fragment
    assert "<html" not in fragment


def test_publishing_twice_is_recorded_once(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    set_plans(listing=draft, plans=[PlanTerms("free", 0)])
    address = reverse("listing_publication", args=[draft.public_id])
    assert [sara_client.post(address).status_code for _ in range(2)] == [302, 302]
    assert OutboxRow.objects.filter(kind="listing.published").count() == 1


def test_the_page_counts_sales_and_reads(sara_client: Client, sara: User, ben: User, now: datetime):
    _, listing = make_stocked_listing(sara, now)
    buy_token(listing, ben, now)
    response = sara_client.get(reverse("own_listing", args=[listing.public_id]))
    assert response.context["listing"].sale_count == 1
    assert ben.pseudonym in response.content.decode()
    assert ben.email not in response.content.decode()


def test_the_withdrawal_says_exactly_what_it_stops(sara_client: Client, sara: User, ben: User, now: datetime):
    _, listing = make_stocked_listing(sara, now)
    buy_token(listing, ben, now)
    page = sara_client.get(reverse("listing_withdrawal", args=[listing.public_id])).content.decode()
    assert "<b>1 access token</b> is refused" in page


def test_withdrawing_twice_is_recorded_once(sara_client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    address = reverse("listing_withdrawal", args=[listing.public_id])
    assert [sara_client.post(address).status_code for _ in range(2)] == [302, 302]
    listing.refresh_from_db()
    assert listing.withdrawn_at == now
    assert OutboxRow.objects.filter(kind="listing.withdrawn").count() == 1
    page = sara_client.get(reverse("own_listing", args=[listing.public_id])).content.decode()
    assert "Nobody can buy it or read under it." in page
    assert "was withdrawn" in sara_client.get(address).content.decode()


def test_refuses_to_withdraw_a_draft(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    address = reverse("listing_withdrawal", args=[draft.public_id])
    assert reverse("listing_deletion", args=[draft.public_id]) in sara_client.get(address).content.decode()
    response = sara_client.post(address)
    assert response.status_code == 422
    assert "listing_not_published" in response.content.decode()


def test_a_stranger_finds_nothing(mallory_client: Client, visitor: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    for name in ("own_listing", "listing_status", "listing_withdrawal"):
        address = reverse(name, args=[listing.public_id])
        assert mallory_client.get(address).status_code == 404, name
        assert visitor.get(address)["Location"].startswith(reverse("account_login")), name
    address = reverse("listing_withdrawal", args=[listing.public_id])
    assert mallory_client.post(address).status_code == 404
    assert visitor.post(address).status_code == 302
    listing.refresh_from_db()
    assert listing.withdrawn_at is None
    assert listing.title not in mallory_client.get(reverse("listing_list")).content.decode()
