from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import OutboxRow
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.listings.services import set_plans
from tests.builders import EURO, make_consent, make_draft, make_listing
from tests.builders_delivery import day_start, make_signing_device, minutes

TEXT = {"title": "Roof weather", "summary": "A roof.", "category": "weather", "licence_text": "Do no harm."}
NO_PRICES = {
    "one_off_price": "", "days_1": "", "price_1": "", "days_2": "", "price_2": "", "days_3": "", "price_3": "",
}  # fmt: skip


def test_without_a_consent_the_way_leads_to_one(sara_client: Client):
    page = sara_client.get(reverse("listing_add")).content.decode()
    assert reverse("consent_add") in page
    assert "<textarea" not in page


def test_the_first_step_saves_a_draft(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    response = sara_client.post(reverse("listing_add"), TEXT | {"consent": consent.pk})
    draft = Listing.objects.get(seller=sara)
    assert response["Location"] == reverse("listing_terms", args=[draft.public_id])
    assert (draft.title, draft.consent, draft.published_at) == ("Roof weather", consent, None)


def test_refuses_a_draft_without_a_title(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    response = sara_client.post(reverse("listing_add"), TEXT | {"consent": consent.pk, "title": ""})
    assert response.status_code == 422
    assert "Give the listing a title." in response.content.decode()
    assert not Listing.objects.exists()


def test_refuses_a_consent_of_someone_else(sara_client: Client, sara: User, mallory: User, now: datetime):
    make_consent(sara, now)
    response = sara_client.post(reverse("listing_add"), TEXT | {"consent": make_consent(mallory, now).pk})
    assert response.status_code == 422
    assert not Listing.objects.exists()


def test_the_text_can_be_changed_while_it_is_a_draft(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    address = reverse("listing_text", args=[draft.public_id])
    assert "Roof weather" in sara_client.get(address).content.decode()
    assert sara_client.post(address, TEXT | {"title": "Better"}).status_code == 302
    assert sara_client.post(address, TEXT | {"summary": ""}).status_code == 422
    draft.refresh_from_db()
    assert (draft.title, draft.summary) == ("Better", "A roof.")


def test_prices_become_plans(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    address = reverse("listing_terms", args=[draft.public_id])
    prices = NO_PRICES | {"one_off_price": "12.40", "days_1": "30", "price_1": "3", "days_2": "7", "price_2": "1"}
    assert sara_client.post(address, prices)["Location"] == reverse("listing_preview", args=[draft.public_id])
    plans = list(draft.plans.values_list("kind", "price_micros", "period_seconds"))
    assert plans == [("one_off", 12_400_000, None), ("period", 3 * EURO, 30 * 86_400), ("period", EURO, 7 * 86_400)]
    assert 'value="12.40"' in sara_client.get(address).content.decode()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "Offer at least one plan"),
        ({"one_off_price": "0"}, "A price is at least EUR 0.01."),
        ({"one_off_price": "1.234"}, "at most two decimals"),
        ({"one_off_price": "much"}, "Write the price as a number"),
        ({"one_off_price": "1e3"}, "Write the price as a number"),
        ({"one_off_price": "1_000"}, "Write the price as a number"),
        ({"days_1": "30", "price_1": "١٢"}, "Write the price as a number"),
        ({"days_1": "30"}, "Add the price of this period"),
        ({"price_1": "30"}, "Add how many days"),
        ({"days_1": "400", "price_1": "1"}, "A period lasts 1 to 366 days, or as many hours."),
        ({"is_free": "on", "one_off_price": "1"}, "Nobody pays for what is free beside it."),
        ({"days_1": "7", "price_1": "1", "days_3": "7", "price_3": "2"}, "Another period has this length already."),
        ({"days_1": "366", "price_1": "1"}, "Under your consent a period can last 365 days at most"),
    ],
)
def test_refuses_prices_that_make_no_plan(
    sara_client: Client, sara: User, now: datetime, change: dict[str, str], sentence: str
):
    draft = make_draft(sara, now)
    response = sara_client.post(reverse("listing_terms", args=[draft.public_id]), NO_PRICES | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not draft.plans.exists()


def test_says_what_a_free_history_does_to_a_period_plan(sara_client: Client, sara: User, now: datetime):
    page = sara_client.get(reverse("listing_terms", args=[make_draft(sara, now).public_id]))
    assert "whoever waits gets for free what the period sells" in page.content.decode()


def test_shows_what_the_seller_receives_and_saves_nothing(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    response = sara_client.get(reverse("listing_terms", args=[draft.public_id]), NO_PRICES | {"one_off_price": "10"})
    quote = response.context["quotes"][0]
    assert response.status_code == 200
    assert quote["total"] == "EUR\N{NO-BREAK SPACE}10.00"
    assert quote["fee"] == "EUR\N{NO-BREAK SPACE}0.80"
    assert quote["receive"] == "EUR\N{NO-BREAK SPACE}9.20"
    assert not draft.plans.exists()


def test_without_javascript_the_prices_go_through_the_address(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    prices = NO_PRICES | {"one_off_price": "10", "csrfmiddlewaretoken": "secret"}
    response = sara_client.post(reverse("listing_quotes", args=[draft.public_id]), prices)
    terms = reverse("listing_terms", args=[draft.public_id])
    assert response["Location"] == f"{terms}?one_off_price=10#quotes"
    assert not draft.plans.exists()


def test_the_preview_shows_the_very_rows(sara_client: Client, sara: User, now: datetime):
    sender = make_signing_device(sara, now)
    sender.send(minutes(day_start(now, 1), 3), now)
    draft = make_draft(sara, now, consent=make_consent(sara, now, devices=[sender.device]))
    response = sara_client.get(reverse("listing_preview", args=[draft.public_id]))
    table = response.context["table"]
    assert [column[0] for column in table.columns] == ["time", "device", "air_temperature"]
    assert table.rows[0] == ["2026-03-13T00:02:00Z", "device-1", 20 + 2 / 7]
    page = response.content.decode()
    assert "device-1" in page
    assert '<td data-label="What it is">Air temperature</td>' in page
    assert '<td class="number">20.285714285714285</td>' in page


def test_the_preview_of_nothing_says_so(sara_client: Client, sara: User, now: datetime):
    page = sara_client.get(reverse("listing_preview", args=[make_draft(sara, now).public_id])).content.decode()
    assert "No rows yet" in page


def test_a_draft_goes_on_where_it_was_left(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    address = reverse("own_listing", args=[draft.public_id])
    assert sara_client.get(address)["Location"] == reverse("listing_terms", args=[draft.public_id])
    set_plans(listing=draft, plans=[PlanTerms("free", 0)])
    assert sara_client.get(address)["Location"] == reverse("listing_preview", args=[draft.public_id])


def test_refuses_to_publish_without_a_plan(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    response = sara_client.post(reverse("listing_publication", args=[draft.public_id]))
    assert response.status_code == 422
    assert "listing_incomplete" in response.content.decode()
    assert not OutboxRow.objects.filter(kind="listing.published").exists()


def test_refuses_to_publish_a_plan_that_outlives_the_consent(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now, consent=make_consent(sara, now, valid_until=now + timedelta(days=29)))
    set_plans(listing=draft, plans=[PlanTerms("period", EURO, 30 * 86_400)])
    response = sara_client.post(reverse("listing_publication", args=[draft.public_id]))
    assert response.status_code == 422
    assert "plan_outlives_consent" in response.content.decode()
    draft.refresh_from_db()
    assert draft.published_at is None
    assert not OutboxRow.objects.filter(kind="listing.published").exists()


def test_names_the_last_day_of_a_consent(sara_client: Client, sara: User, now: datetime):
    make_consent(sara, now, valid_until=datetime(2026, 6, 1, tzinfo=UTC))
    assert "until the end of 31 May 2026 (UTC)" in sara_client.get(reverse("listing_add")).content.decode()


def test_refuses_to_publish_under_a_withdrawn_consent(sara_client: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    set_plans(listing=draft, plans=[PlanTerms("free", 0)])
    withdraw_consent(consent=draft.consent, at=now)
    response = sara_client.post(reverse("listing_publication", args=[draft.public_id]))
    assert response.status_code == 422
    assert "consent_not_active" in response.content.decode()


def test_a_published_listings_draft_leads_to_the_listing(sara_client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    page = reverse("own_listing", args=[listing.public_id])
    before = Listing.objects.values().get(pk=listing.pk), list(listing.plans.values())
    for name in ("listing_text", "listing_terms", "listing_preview"):
        assert sara_client.get(reverse(name, args=[listing.public_id]))["Location"] == page
    for name in ("listing_text", "listing_terms", "listing_quotes"):
        form = {"title": "Other", "one_off_price": "1"}
        assert sara_client.post(reverse(name, args=[listing.public_id]), form)["Location"] == page
    assert "its draft can’t be changed any more" in sara_client.get(page).content.decode()
    assert (Listing.objects.values().get(pk=listing.pk), list(listing.plans.values())) == before


def test_deleting_a_draft(sara_client: Client, sara: User, now: datetime):
    draft, published = make_draft(sara, now), make_listing(sara, now)
    address = reverse("listing_deletion", args=[draft.public_id])
    assert "gone for good" in sara_client.get(address).content.decode()
    assert sara_client.post(address)["Location"] == reverse("listing_list")
    refused = sara_client.post(reverse("listing_deletion", args=[published.public_id]))
    assert refused.status_code == 422
    assert "listing_not_draft" in refused.content.decode()
    assert list(Listing.objects.all()) == [published]


def test_a_stranger_finds_nothing(mallory_client: Client, visitor: Client, sara: User, now: datetime):
    draft = make_draft(sara, now)
    set_plans(listing=draft, plans=[PlanTerms("free", 0)])
    for name in ("listing_text", "listing_terms", "listing_preview", "listing_deletion", "own_listing"):
        address = reverse(name, args=[draft.public_id])
        assert mallory_client.get(address).status_code == 404, name
        assert visitor.get(address)["Location"].startswith(reverse("account_login")), name
    for name in ("listing_text", "listing_terms", "listing_quotes", "listing_publication", "listing_deletion"):
        address = reverse(name, args=[draft.public_id])
        assert mallory_client.post(address, TEXT).status_code == 404, name
        assert visitor.post(address).status_code == 302, name
    draft.refresh_from_db()
    assert draft.published_at is None
