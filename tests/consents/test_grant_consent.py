from datetime import timedelta
from typing import Any

import pytest

from ledger.models import Entry, OutboxRow
from ledger.services import sequence_batch
from marketplace.consents import errors
from marketplace.consents.entries import fields_hash_hex
from marketplace.consents.models import Consent
from tests.builders import make_consent, make_device

pytestmark = pytest.mark.django_db


def test_grants_and_records_the_terms(sara, now):
    consent = make_consent(sara, now, fields=["humidity", "air_temperature"], resolution="15min", delay_seconds=3600)

    assert consent.fields == ["humidity", "air_temperature"]
    assert consent.is_active(now)
    assert [row.pseudonym for row in consent.consent_devices.all()] == ["device-1"]
    row = OutboxRow.objects.get(key=consent.public_id)
    assert row.kind == "consent.granted"
    assert fields_hash_hex(consent.public_id, consent.fields) in bytes(row.body).decode()


def test_the_record_names_no_person_device_place_or_field(sara, now):
    device = make_device(sara, now, measures=["bedroom_of_sara"])
    consent = make_consent(sara, now, devices=[device], fields=["bedroom_of_sara"])

    body = bytes(OutboxRow.objects.get(key=consent.public_id).body).decode()

    for secret in (sara.email, str(sara.public_id), str(device.public_id), "Roof", "Berlin", "bedroom"):
        assert secret not in body


def test_is_recorded_once_its_entry_is_in_the_log(sara, now):
    consent = make_consent(sara, now)
    assert not Consent.objects.recorded().exists()

    sequence_batch(at=now)

    assert Consent.objects.recorded().get() == consent
    assert Entry.objects.get(entry_id=consent.entry_id).kind == "consent.granted"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"fields": []}, errors.NoFields),
        ({"fields": ["wind_speed"]}, errors.FieldUnknown),
        ({"fields": ["humidity", "humidity"]}, errors.FieldUnknown),
        ({"purposes": []}, errors.NoPurposes),
        ({"purposes": ["WorldDomination"]}, errors.PurposeUnknown),
        ({"resolution": "2s"}, errors.ResolutionUnknown),
        ({"delay_seconds": -1}, errors.DelayOutOfRange),
        ({"delay_seconds": 91 * 86_400}, errors.DelayOutOfRange),
        ({"audience": "named"}, errors.AudienceIncomplete),
        ({"audience": "family"}, errors.AudienceIncomplete),
    ],
)
def test_refuses_bad_terms(sara, now, changes: dict[str, Any], error):
    with pytest.raises(error):
        make_consent(sara, now, **changes)
    assert not Consent.objects.exists()
    assert not OutboxRow.objects.exists()


@pytest.mark.parametrize("term", [timedelta(0), timedelta(days=-1), timedelta(days=6 * 366)])
def test_refuses_a_term_that_is_over_or_too_long(sara, now, term):
    with pytest.raises(errors.TermOutOfRange):
        make_consent(sara, now, valid_until=now + term)
    assert not Consent.objects.exists()


def test_refuses_a_stranger_s_device(sara, mallory, now):
    device = make_device(sara, now)
    with pytest.raises(errors.DeviceNotUsable):
        make_consent(mallory, now, devices=[device])
    assert not Consent.objects.exists()


@pytest.mark.parametrize("ended", ["retired_at", "handed_over_at"])
def test_takes_a_device_that_sends_nothing_more_for_what_it_sent(sara, now, ended):
    device = make_device(sara, now)
    setattr(device, ended, now)
    device.save()
    assert make_consent(sara, now, devices=[device]).is_active(now)


def test_refuses_a_device_that_was_never_enrolled(sara, now):
    device = make_device(sara, now)
    device.enrolled_at = None
    device.save()
    with pytest.raises(errors.DeviceNotUsable):
        make_consent(sara, now, devices=[device])
    assert not Consent.objects.exists()


def test_keeps_named_buyers_in_lower_case_and_once(sara, now):
    consent = make_consent(sara, now, audience="named", buyer_emails=["Ben@Example.org", " ben@example.org "])
    assert [buyer.email for buyer in consent.named_buyers.all()] == ["ben@example.org"]
