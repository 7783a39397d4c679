"""What a consent says beyond its fields: who else is recorded, what it follows on, and that it can be narrowed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.consents.models import Consent, ConsentChange
from tests.builders import make_consent, make_device

pytestmark = pytest.mark.django_db


@pytest.fixture
def terms(sara):
    at = timezone.now()
    device = make_device(sara, at)
    return {
        "devices": [str(device.public_id)],
        "fields": ["air_temperature", "humidity"],
        "resolution": "1h",
        "purposes": ["AcademicResearch", "PublicBenefit"],
        "valid_until": (at + timedelta(days=90)).isoformat(),
    }


def test_others_who_are_recorded_keep_raw_readings_back(sara, api_as, terms):
    refused = api_as(sara).post("/api/consents", terms | {"records_others": True, "resolution": "raw"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "raw_of_others")
    assert not Consent.objects.exists()
    made = api_as(sara).post("/api/consents", terms | {"records_others": True}, format="json").json()
    assert made["records_others"] is True
    assert "AcademicResearch" not in made["refused_purposes"]


def test_a_renewal_follows_on_ones_own_consent_only(sara, mallory, api_as, terms):
    first = api_as(sara).post("/api/consents", terms, format="json").json()
    second = api_as(sara).post("/api/consents", terms | {"renews": first["id"]}, format="json").json()
    assert second["renews"] == first["id"]
    foreign = make_consent(mallory, timezone.now())
    refused = api_as(sara).post("/api/consents", terms | {"renews": str(foreign.public_id)}, format="json")
    assert refused.json()["code"] == "renewal_unknown"
    assert Consent.objects.filter(owner=sara).count() == 2


def test_narrows_at_once_and_never_widens(sara, mallory, api_as, terms):
    made = api_as(sara).post("/api/consents", terms, format="json").json()
    path = f"/api/consents/{made['id']}/narrowing"
    assert api_as(mallory).post(path, {"fields": ["humidity"]}, format="json").status_code == 404

    narrowed = api_as(sara).post(path, {"fields": ["humidity"], "resolution": "1d"}, format="json").json()

    assert (narrowed["fields"], narrowed["resolution"], narrowed["purposes"]) == (["humidity"], "1d", made["purposes"])
    assert narrowed["narrowed_at"] is not None
    for wider, code in (
        ({"resolution": "raw"}, "consent_widened"),
        ({"fields": ["air_temperature"]}, "consent_widened"),
        ({}, "nothing_narrowed"),
        ({"fields": []}, "consent_without_fields"),
    ):
        assert api_as(sara).post(path, wider, format="json").json()["code"] == code
    assert ConsentChange.objects.count() == 1
