"""What a consent says for others: its record, the notice that was read, refusals, renewals and reminders."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from ledger.models import OutboxRow
from marketplace.consents import errors
from marketplace.consents.models import Consent, NoticeText
from marketplace.consents.notice import TEXT
from marketplace.consents.purposes import PURPOSES
from marketplace.consents.reminding import remind_owners
from marketplace.consents.services import SCHEMA_FILE, Terms, narrow_consent, record_of, withdraw_consent
from marketplace.notices.models import Notice
from tests.builders import make_consent
from tests.conftest import PASSWORD
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
ADDRESS = "https://market.example/withdrawal/"


def entry_of(consent):
    return json.loads(bytes(OutboxRow.objects.get(entry_id=consent.entry_id).body))


def test_a_record_holds_everything_and_fits_its_schema(sara, now):
    consent = make_consent(sara, now, purposes=["CommercialResearch", "PublicBenefit"])
    record = record_of(consent, withdrawal_address=ADDRESS, at=now)
    jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text()))
    assert record["dct:identifier"] == str(consent.public_id)
    assert record["dpv:hasDataSubject"]["dct:identifier"] == entry_of(consent)["owner"]
    assert [process["dpv:hasPurpose"] for process in record["dpv:hasProcess"]] == [
        "dpv:CommercialResearch",
        "dpv:PublicBenefit",
    ]
    assert len(record["refusedPurposes"]) == len(PURPOSES) - 2
    assert record["dpv:hasNotice"]["dct:description"] == TEXT
    assert [event["@type"] for event in record["dpv:hasConsentStatus"]] == ["dpv:ConsentGiven"]
    assert sara.email not in json.dumps(record)


@pytest.mark.parametrize("key", ["dct:identifier", "dpv:hasNotice", "dpv:hasProcess", "dpv:hasConsentStatus"])
def test_a_record_that_lacks_something_does_not_fit(sara, now, key):
    record = record_of(make_consent(sara, now), withdrawal_address=ADDRESS, at=now)
    del record[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text()))


def test_a_record_tells_how_the_consent_ended(sara, now):
    consent = make_consent(sara, now)
    over = record_of(consent, withdrawal_address=ADDRESS, at=consent.valid_until)
    assert [event["@type"] for event in over["dpv:hasConsentStatus"]] == ["dpv:ConsentGiven", "dpv:ConsentExpired"]
    withdrawn = withdraw_consent(consent=consent, at=now + DAY)
    ended = record_of(withdrawn, withdrawal_address=ADDRESS, at=now + 2 * DAY)["dpv:hasConsentStatus"][-1]
    assert (ended["@type"], ended["logEntry"]) == (
        "dpv:ConsentWithdrawn",
        f"urn:uuid:{withdrawn.withdrawal_entry_id}",
    )


def test_the_notice_that_was_read_is_kept_under_its_hash_and_named_in_the_log(sara, now):
    first, second = make_consent(sara, now), make_consent(sara, now)
    kept = NoticeText.objects.get()
    assert first.notice == second.notice == kept
    assert kept.sha256 == hashlib.sha256(kept.text.encode()).hexdigest() == entry_of(first)["notice_hash"]


@pytest.mark.parametrize("sql", ["UPDATE consents_noticetext SET text = 'x'", "DELETE FROM consents_noticetext"])
def test_a_notice_is_never_changed(sara, now, sql):
    from django.db import connection

    make_consent(sara, now)
    with pytest.raises(DatabaseError), transaction.atomic(), owner_rights(), connection.cursor() as cursor:
        cursor.execute(sql)


def test_what_was_not_ticked_is_recorded_as_refused(sara, now):
    consent = make_consent(sara, now, purposes=["Verification"])
    refused = [purpose.code for purpose in PURPOSES if purpose.code != "Verification"]
    assert consent.refused_purposes == refused == entry_of(consent)["refused_purposes"]


def test_a_purpose_that_the_vocabulary_lacks_is_not_passed_off_as_one_of_its_terms(sara, now):
    consent = make_consent(sara, now, purposes=["TrainAIModels"])
    record = record_of(consent, withdrawal_address=ADDRESS, at=now)
    jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text()))
    assert [process["dpv:hasPurpose"] for process in record["dpv:hasProcess"]] == ["own:TrainAIModels"]
    assert record["@context"]["own"] == "urn:x-ownstream:purpose:"
    assert "dpv:Marketing" in record["refusedPurposes"]


def test_where_others_may_be_recorded_nothing_is_raw(sara, now):
    with pytest.raises(errors.RawOfOthers):
        make_consent(sara, now, resolution="raw", records_others=True)
    assert not Consent.objects.exists()
    assert not OutboxRow.objects.filter(kind="consent.granted").exists()
    consent = make_consent(sara, now, resolution="1min", records_others=True)
    assert entry_of(consent)["records_others"] is True


def test_a_renewal_refers_to_what_it_follows(sara, now):
    earlier = make_consent(sara, now)
    later = make_consent(sara, now, renews=earlier)
    assert later.renews == earlier
    assert entry_of(later)["renews"] == str(earlier.public_id)
    assert str(earlier.public_id) in entry_of(later)["refs"]
    record = record_of(later, withdrawal_address=ADDRESS, at=now)
    assert record["dct:replaces"] == f"urn:uuid:{earlier.public_id}"
    assert record["dpv:hasConsentStatus"][0]["@type"] == "dpv:RenewedConsentGiven"


def test_a_record_keeps_what_was_allowed_before_a_narrowing(sara, now):
    consent = make_consent(sara, now, resolution="1min")
    narrowed = narrow_consent(consent=consent, terms=replace(Terms.of(consent), resolution="1h"), at=now + DAY)
    record = record_of(narrowed, withdrawal_address=ADDRESS, at=now + 2 * DAY)
    (before,) = record["allowedBefore"]
    assert (before["resolution"], record["dpv:hasProcess"][0]["resolution"]) == ("1min", "1h")
    assert before["logEntry"] == f"urn:uuid:{narrowed.changes.get().entry_id}"


def test_nobody_renews_what_is_withdrawn_or_not_his(sara, ben, now):
    mine, theirs = make_consent(sara, now), make_consent(ben, now)
    withdraw_consent(consent=mine, at=now)
    mine.refresh_from_db()
    for consent in (mine, theirs):
        with pytest.raises(errors.RenewalUnknown):
            make_consent(sara, now, renews=consent)


def test_owners_are_reminded_a_month_and_a_week_before_once_each(sara, now):
    consent = make_consent(sara, now, valid_until=now + 100 * DAY)

    def told() -> list[int]:
        return [notice.facts["days"] for notice in Notice.objects.filter(user=sara).order_by("at")]

    for days, wanted in ((69, []), (70, [30]), (75, [30]), (93, [30, 7]), (99, [30, 7]), (101, [30, 7])):
        remind_owners(at=now + days * DAY)
        assert told() == wanted
    assert Notice.objects.first().reference == consent.public_id


def test_nobody_is_reminded_of_what_is_withdrawn_renewed_or_that_short(sara, now):
    withdraw_consent(consent=make_consent(sara, now, valid_until=now + 100 * DAY), at=now)
    renewed = make_consent(sara, now, valid_until=now + 100 * DAY)
    make_consent(sara, now, valid_until=now + 500 * DAY, renews=renewed)
    make_consent(sara, now + 96 * DAY, valid_until=now + 100 * DAY)
    assert remind_owners(at=now + 97 * DAY) == 0


def test_the_owner_takes_the_record_away_and_nobody_else(client, sara, ben, now):
    consent = make_consent(sara, now)
    address = reverse("consent_record", args=[consent.public_id])
    assert client.get(address).status_code == 302
    client.login(username=ben.email, password=PASSWORD)
    assert client.get(address).status_code == 404
    client.login(username=sara.email, password=PASSWORD)
    answer = client.get(address)
    assert answer["Content-Type"] == "application/ld+json"
    assert json.loads(answer.content)["dct:identifier"] == str(consent.public_id)
    assert json.loads(client.get(reverse("consent_schema")).content)["title"] == "Consent record, version 1"
