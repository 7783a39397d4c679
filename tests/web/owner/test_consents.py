from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from tests.builders import make_consent, make_device, make_listing
from tests.builders_delivery import buy_token, make_stocked_listing

from .conftest import logged_in


@pytest.fixture
def form(sara: User, now: datetime) -> dict[str, object]:
    device = make_device(sara, now)
    return {
        "devices": [device.pk],
        "fields_allowed": ["air_temperature"],
        "resolution": "1h",
        "delay_seconds": "3600",
        "purposes": ["AcademicResearch"],
        "audience": "anyone",
        "buyer_emails": "",
        "valid_until": "2026-12-31",
    }


def test_granting_records_what_was_ticked(sara_client: Client, sara: User, form: dict[str, object]):
    response = sara_client.post(reverse("consent_add"), form)
    consent = Consent.objects.get(owner=sara)
    assert response["Location"] == reverse("consent_page", args=[consent.public_id])
    assert (consent.fields, consent.resolution, consent.delay_seconds) == (["air_temperature"], "1h", 3600)
    assert consent.purposes == ["AcademicResearch"]
    assert consent.valid_until == datetime(2027, 1, 1, tzinfo=UTC)
    assert OutboxRow.objects.filter(kind="consent.granted", key=consent.public_id).count() == 1


def test_the_last_day_ends_where_the_owner_lives(sara: User, form: dict[str, object]):
    sara.time_zone = "America/New_York"
    sara.save()
    logged_in(sara).post(reverse("consent_add"), form)
    assert Consent.objects.get().valid_until == datetime(2027, 1, 1, 5, tzinfo=UTC)


def test_no_purpose_is_ticked_beforehand(sara_client: Client, form: dict[str, object]):
    page = sara_client.get(reverse("consent_add")).content.decode()
    ticked = [line for line in page.splitlines() if 'name="purposes"' in line and "checked" in line]
    assert 'name="purposes"' in page
    assert ticked == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"purposes": []}, "Choose at least one purpose."),
        ({"devices": []}, "Choose at least one device."),
        ({"fields_allowed": []}, "Choose at least one field."),
        ({"fields_allowed": ["wind"]}, "Select a valid choice"),
        ({"valid_until": "2026-03-01"}, "term_out_of_range"),
        ({"valid_until": "2040-01-01"}, "term_out_of_range"),
        ({"valid_until": "9999-12-31"}, "Choose a day at most five years ahead."),
        ({"valid_until": "0001-01-01"}, "Choose a day to come."),
        ({"valid_until": "soon"}, "Write the day as"),
        ({"audience": "named"}, "Name at least one person"),
        ({"audience": "named", "buyer_emails": "ben"}, "is not an e-mail address"),
    ],
)
def test_refuses_terms_that_say_nothing(
    sara_client: Client, form: dict[str, object], change: dict[str, object], sentence: str
):
    response = sara_client.post(reverse("consent_add"), form | change)
    assert response.status_code == 422
    assert sentence in response.content.decode()
    assert not Consent.objects.exists()
    assert not OutboxRow.objects.filter(kind="consent.granted").exists()


def test_a_term_out_of_range_is_said_beside_its_field(sara_client: Client, form: dict[str, object]):
    response = sara_client.post(reverse("consent_add"), form | {"valid_until": "2040-01-01"})
    errors = response.context["form"].errors
    assert list(errors) == ["valid_until"]
    assert [error.code for error in errors.as_data()["valid_until"]] == ["term_out_of_range"]


def test_refuses_a_device_of_someone_else(sara_client: Client, mallory: User, form: dict[str, object], now: datetime):
    response = sara_client.post(reverse("consent_add"), form | {"devices": [make_device(mallory, now).pk]})
    assert response.status_code == 422
    assert not Consent.objects.exists()


def test_named_people_are_kept(sara_client: Client, form: dict[str, object]):
    named = {"audience": "named", "buyer_emails": "ben@example.test\ncarla@example.test"}
    assert sara_client.post(reverse("consent_add"), form | named).status_code == 302
    emails = Consent.objects.get().named_buyers.values_list("email", flat=True)
    assert sorted(emails) == ["ben@example.test", "carla@example.test"]


def test_without_readings_the_way_leads_to_the_devices(sara_client: Client):
    for name in ("consent_list", "consent_add"):
        assert reverse("device_list") in sara_client.get(reverse(name)).content.decode()


def test_the_list_has_a_row_for_each_consent(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    page = sara_client.get(reverse("consent_list")).content.decode()
    assert "Academic research" in page
    assert f'href="{reverse("consent_page", args=[consent.public_id])}">Air temperature</a>' in page
    assert "<small>until 14 Mar 2027, 09:26 (UTC)</small>" in page
    assert reverse("consent_withdrawal", args=[consent.public_id]) in page


def test_the_page_says_the_terms_and_the_seal(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now, resolution="15min", delay_seconds=3600)
    address = reverse("consent_page", args=[consent.public_id])
    page = sara_client.get(address).content.decode()
    assert "15 minute averages" in page
    assert "1 hour after they were measured" in page
    assert "Waiting to be recorded" in page
    sequence_batch(at=now)
    assert "Entry 0" in sara_client.get(address).content.decode()


def test_the_receipt_names_the_record(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    page = sara_client.get(reverse("consent_receipt", args=[consent.public_id])).content.decode()
    assert str(consent.entry_id) in page
    assert reverse("log_checkpoint") in page


def test_the_withdrawal_says_exactly_what_it_stops(sara_client: Client, sara: User, ben: User, now: datetime):
    _, listing = make_stocked_listing(sara, now)
    buy_token(listing, ben, now)
    page = sara_client.get(reverse("consent_withdrawal", args=[listing.consent.public_id])).content.decode()
    assert "<b>1 listing</b> leaves the catalogue" in page
    assert "<b>1 access token</b> is refused" in page
    assert "1 buyer loses access" in page


def test_withdrawing_ends_the_consent(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    address = reverse("consent_withdrawal", args=[consent.public_id])
    response = sara_client.post(address)
    assert response["Location"] == reverse("consent_page", args=[consent.public_id])
    consent.refresh_from_db()
    assert consent.withdrawn_at == now
    page = sara_client.get(reverse("consent_page", args=[consent.public_id])).content.decode()
    assert "Withdrawn" in page
    assert address not in page


def test_withdrawing_twice_is_recorded_once(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    address = reverse("consent_withdrawal", args=[consent.public_id])
    assert [sara_client.post(address).status_code for _ in range(2)] == [302, 302]
    assert OutboxRow.objects.filter(kind="consent.withdrawn").count() == 1
    assert "Back to the consent" in sara_client.get(address).content.decode()


def test_a_consent_that_is_over_offers_nothing(sara_client: Client, sara: User, now: datetime):
    consent = make_consent(sara, now - timedelta(days=10), valid_until=now - timedelta(days=1))
    page = sara_client.get(reverse("consent_page", args=[consent.public_id])).content.decode()
    assert "Over" in page
    assert reverse("listing_add") not in page


def test_the_page_names_its_listings(sara_client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    page = sara_client.get(reverse("consent_page", args=[listing.consent.public_id])).content.decode()
    assert reverse("own_listing", args=[listing.public_id]) in page


def test_a_stranger_finds_nothing(mallory_client: Client, visitor: Client, sara: User, now: datetime):
    consent = make_consent(sara, now)
    for name in ("consent_page", "consent_receipt", "consent_withdrawal"):
        address = reverse(name, args=[consent.public_id])
        assert mallory_client.get(address).status_code == 404, name
        assert visitor.get(address)["Location"].startswith(reverse("account_login")), name
    address = reverse("consent_withdrawal", args=[consent.public_id])
    assert mallory_client.post(address).status_code == 404
    assert visitor.post(address).status_code == 302
    consent.refresh_from_db()
    assert consent.withdrawn_at is None
    assert "Academic research" not in mallory_client.get(reverse("consent_list")).content.decode()


def test_what_does_not_exist_is_not_found(sara_client: Client):
    assert sara_client.get(reverse("consent_page", args=[uuid4()])).status_code == 404


def test_many_fields_are_counted_in_headings_and_named_in_the_terms(sara_client: Client, sara: User, now: datetime):
    names = [f"measure_{number:02}" for number in range(19)]
    consent = make_consent(sara, now, devices=[make_device(sara, now, measures=names)], fields=names)
    short = "Measure 00, Measure 01 and 17 more"
    for name in ("consent_page", "consent_withdrawal", "consent_receipt"):
        page = sara_client.get(reverse(name, args=[consent.public_id])).content.decode()
        assert short in page
    page = sara_client.get(reverse("consent_page", args=[consent.public_id])).content.decode()
    assert page.count("Measure 18") == 1
    assert f"<h1>Consent for {short}</h1>" in page
    device = consent.devices.get()
    for address in (
        reverse("consent_list"),
        reverse("listing_add"),
        reverse("device_page", args=[device.public_id]),
    ):
        page = sara_client.get(address).content.decode()
        assert short in page
        assert "Measure 02, " not in page
