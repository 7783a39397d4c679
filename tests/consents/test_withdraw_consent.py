from datetime import timedelta

import pytest

from ledger.models import OutboxRow
from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from tests.builders import make_consent

pytestmark = pytest.mark.django_db


def test_ends_the_consent_at_that_moment_and_records_it(sara, now):
    consent = make_consent(sara, now)
    later = now + timedelta(hours=1)

    withdrawn = withdraw_consent(consent=consent, at=later)

    assert withdrawn.withdrawn_at == later
    assert not withdrawn.is_active(later)
    assert withdrawn.is_active(later - timedelta(microseconds=1))
    assert not Consent.objects.active_at(later).exists()
    assert OutboxRow.objects.filter(kind="consent.withdrawn", key=consent.public_id).count() == 1


def test_a_repeat_changes_nothing(sara, now):
    consent = make_consent(sara, now)
    first = withdraw_consent(consent=consent, at=now + timedelta(hours=1))

    second = withdraw_consent(consent=consent, at=now + timedelta(hours=2))

    assert second.withdrawn_at == first.withdrawn_at
    assert OutboxRow.objects.filter(kind="consent.withdrawn").count() == 1


def test_a_consent_ends_by_itself(sara, now):
    consent = make_consent(sara, now, valid_until=now + timedelta(days=1))
    assert Consent.objects.active_at(now).get() == consent
    assert not Consent.objects.active_at(now + timedelta(days=1)).exists()
