"""Narrower is at once and for good; wider is a new consent."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from ledger.models import OutboxRow
from marketplace.consents import errors
from marketplace.consents.entries import fields_hash_hex
from marketplace.consents.models import Consent, ConsentChange
from marketplace.consents.services import Terms, narrow_consent, withdraw_consent
from tests.builders import make_consent
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def consent(sara, now):
    return make_consent(
        sara,
        now,
        fields=["air_temperature", "humidity"],
        resolution="1min",
        delay_seconds=3600,
        purposes=["AcademicResearch", "Marketing"],
    )


def test_takes_away_and_records_what_is_left(consent, now):
    before = Terms.of(consent)
    wanted = Terms(["humidity"], ["AcademicResearch"], "1h", 86400, now + 30 * DAY)
    narrowed = narrow_consent(consent=consent, terms=wanted, at=now + DAY)

    assert Terms.of(Consent.objects.get()) == wanted
    assert (narrowed.terms_number, narrowed.narrowed_at) == (2, now + DAY)
    assert narrowed.refused_purposes[-1] == "Marketing"
    change = ConsentChange.objects.get()
    assert Terms.of(change) == before
    row = OutboxRow.objects.get(entry_id=change.entry_id)
    entry = json.loads(bytes(row.body))
    assert (row.kind, entry["resolution"], entry["delay_seconds"], entry["purposes"]) == (
        "consent.narrowed",
        "1h",
        86400,
        ["AcademicResearch"],
    )
    assert entry["fields_hash"] == fields_hash_hex(consent.public_id, ["humidity"])
    assert str(consent.public_id) in entry["refs"]


def test_purposes_and_end_leave_what_is_delivered_as_it_is(consent, now):
    terms = replace(Terms.of(consent), purposes=["Marketing"], valid_until=now + DAY)
    assert narrow_consent(consent=consent, terms=terms, at=now).terms_number == 1


def test_keeps_the_order_that_fields_had(consent, now):
    terms = replace(Terms.of(consent), fields=["humidity", "air_temperature"], resolution="1d")
    assert narrow_consent(consent=consent, terms=terms, at=now).fields == ["air_temperature", "humidity"]


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"fields": ["air_temperature", "humidity", "wind"]}, errors.ConsentWidened),
        ({"purposes": ["AcademicResearch", "Verification"]}, errors.ConsentWidened),
        ({"resolution": "raw"}, errors.ConsentWidened),
        ({"delay_seconds": 3599}, errors.ConsentWidened),
        ({"fields": []}, errors.NoFields),
        ({"purposes": []}, errors.NoPurposes),
        ({"resolution": "1y"}, errors.ResolutionUnknown),
        ({"delay_seconds": 91 * 86400}, errors.DelayOutOfRange),
        ({}, errors.NothingNarrowed),
    ],
)
def test_refuses_what_is_wider_or_empty_and_writes_nothing(consent, now, change, refusal):
    with pytest.raises(refusal):
        narrow_consent(consent=consent, terms=replace(Terms.of(consent), **change), at=now)
    assert not ConsentChange.objects.exists()
    assert not OutboxRow.objects.filter(kind="consent.narrowed").exists()
    assert Consent.objects.get().terms_number == 1


def test_refuses_an_end_that_is_later_or_over(consent, now):
    for valid_until, refusal in (
        (consent.valid_until + DAY, errors.ConsentWidened),
        (now, errors.TermOutOfRange),
    ):
        with pytest.raises(refusal):
            narrow_consent(consent=consent, terms=replace(Terms.of(consent), valid_until=valid_until), at=now)


def test_refuses_what_is_withdrawn_or_over(consent, now):
    terms = replace(Terms.of(consent), resolution="1d")
    with pytest.raises(errors.ConsentNotActive):
        narrow_consent(consent=consent, terms=terms, at=consent.valid_until)
    withdraw_consent(consent=consent, at=now)
    with pytest.raises(errors.ConsentNotActive):
        narrow_consent(consent=consent, terms=terms, at=now + DAY)


def test_a_repeat_is_told_that_nothing_is_left_to_do(consent, now):
    terms = replace(Terms.of(consent), resolution="1d")
    narrow_consent(consent=consent, terms=terms, at=now)
    with pytest.raises(errors.NothingNarrowed):
        narrow_consent(consent=consent, terms=terms, at=now)
    assert ConsentChange.objects.count() == 1


@pytest.mark.parametrize("sql", ["UPDATE consents_consentchange SET at = now()", "DELETE FROM consents_consentchange"])
def test_a_change_is_never_changed(consent, now, sql):
    narrow_consent(consent=consent, terms=replace(Terms.of(consent), resolution="1d"), at=now)
    with pytest.raises(DatabaseError), transaction.atomic(), owner_rights(), connection.cursor() as cursor:
        cursor.execute(sql)
