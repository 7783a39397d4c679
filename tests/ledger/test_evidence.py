"""Evidence packs that auditors download."""

import io

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from ledger import evidence
from ledger.audit_runs import continue_audit, request_audit
from ledger.models import AuditVisit, Checkpoint, FinalCheckpoint
from ledger.pack_reading import verify_pack
from ledger.services import log_policy, sequence_batch
from tests.builders_ledger import submit, submit_many
from tests.builders_receipts import cosigned, write_policy

pytestmark = pytest.mark.django_db
PAGE = "/admin/ledger/entry/evidence/"


@pytest.fixture
def auditor(sara, client):
    sara.is_staff = True
    sara.save()
    sara.groups.add(Group.objects.get(name="Auditor"))
    client.force_login(sara)
    return sara


@pytest.fixture
def log(now, settings, tmp_path):
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)
    submit_many(3, now)
    sequence_batch(at=now)
    submit(now, kind="consent.granted")
    submit_many(4, now)
    sequence_batch(at=now)


@pytest.fixture
def audited(log, sara, now):
    request_audit(scope="full", by=sara, at=now)
    continue_audit(clock=timezone.now)


def unpacked(response):
    assert response.status_code == 200, response.content
    return verify_pack(io.BytesIO(b"".join(response.streaming_content)), log_policy())


def test_the_whole_log_in_a_pack_that_anybody_can_check(client, auditor, audited):
    pack = unpacked(client.post(PAGE, {}))
    assert (pack.is_whole, pack.indices, pack.checkpoint_sizes) == (True, tuple(range(8)), (3,))
    assert (pack.is_final, pack.audit["is_good"], pack.audit["size"]) == (False, True, 8)


@pytest.mark.parametrize(
    ("chosen", "indices"),
    [
        ({"first": 2, "last": 4}, (2, 3, 4)),
        ({"kind": "consent.granted"}, (3,)),
        ({"last": 0}, (0,)),
    ],
)
def test_some_entries(client, auditor, audited, chosen, indices):
    assert unpacked(client.post(PAGE, chosen)).indices == indices


def test_final_when_the_witnesses_have_cosigned(client, auditor, audited, now):
    FinalCheckpoint.objects.create(size=8, note=cosigned(Checkpoint.objects.get(size=8).note), final_at=now)
    assert unpacked(client.post(PAGE, {"first": 7})).is_final


@pytest.mark.parametrize(
    ("chosen", "sentence"),
    [
        ({"first": 99}, "No entry was chosen."),
        ({"reference": "no-such"}, "No entry was chosen."),
        ({"kind": "no.such"}, "not one of the available choices"),
        ({"first": "-1"}, "greater than or equal to 0"),
    ],
)
def test_a_choice_without_entries_is_refused(client, auditor, audited, chosen, sentence):
    response = client.post(PAGE, chosen)
    assert response.status_code == 422
    assert sentence in response.content.decode()


def test_too_many_entries_are_refused(client, auditor, audited, monkeypatch):
    monkeypatch.setattr(evidence, "MOST_ENTRIES", 7)
    response = client.post(PAGE, {})
    assert response.status_code == 422
    assert "at most 7 entries" in response.content.decode()


def test_a_pack_needs_an_audit(client, auditor, log):
    response = client.post(PAGE, {})
    assert response.status_code == 422
    assert "Verify the log first" in response.content.decode()


def test_who_took_a_pack_is_kept(client, auditor, audited):
    client.post(PAGE, {})
    assert AuditVisit.objects.filter(address=PAGE, visitor=auditor.public_id).exists()


def test_a_stranger_gets_nothing(client, mallory, audited):
    client.force_login(mallory)
    for answer in (client.get(PAGE), client.post(PAGE, {})):
        assert answer.status_code in {302, 403}
    assert not AuditVisit.objects.exists()
