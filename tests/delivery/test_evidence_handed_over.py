"""A device that changed hands: each owner's buyers get that owner's envelopes, proven by that owner's enrolment."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from devices.services import resolve_batches
from ledger.models import Entry
from ledger.receipts import Receipt
from ledger.services import sequence_batch
from marketplace.access.services import authorise
from marketplace.delivery.evidence.finding import evidence_lines, find_evidence
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy_token, day_start, minutes
from tests.delivery.test_evidence import make_recorded_device, rows_of, verify
from tests.handovers.conftest import offered, take_over

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def bought_of(owner, device, buyer, at):
    """The evidence of a purchase of all that was measured until `at`."""
    listing = make_listing(owner, at, consent=make_consent(owner, at, devices=[device]), plans=(FREE,))
    _, text = buy_token(listing, buyer, at)
    return list(evidence_lines(find_evidence(authorise(token=text, at=at), at)))


def test_each_owners_buyers_get_that_owners_part(sara, ben, mallory, tmp_path, capsys):
    now = timezone.now()
    start = day_start(now, 1)
    station = make_recorded_device(sara, now - HOUR)
    station.send(minutes(start, 60), now - HOUR)
    resolve_batches(device=station.device, at=now - HOUR)
    taken = take_over(ben, offered(station.device, ben, now - HOUR), now - HOUR)
    later = now - HOUR / 2
    station.send(minutes(later, 20), now)
    # The new owner holds the key, and signs other readings for the time of before.
    station.send([(time, name, -273.0) for time, name, _ in minutes(start, 60)], now)
    for device in (taken, station.device, taken):
        resolve_batches(device=device, at=now)
    sequence_batch(at=now)
    first, second = Entry.objects.filter(kind="device.enrolled").order_by("index")

    before = bought_of(sara, station.device, mallory, now + HOUR)
    code, text = verify(tmp_path, capsys, rows_of(start, 60, devices=1), before)
    assert (code, "60 of 60 rows: what the devices signed" in text) == (2, True), text
    after = bought_of(ben, taken, mallory, now + HOUR)
    code, text = verify(tmp_path, capsys, rows_of(later, 20, devices=1), after)
    assert (code, "20 of 20 rows: what the devices signed" in text) == (2, True), text
    receipts = [Receipt.parse(json.loads(lines[1])["receipt"]) for lines in (before, after)]
    assert [receipt.index for receipt in receipts] == [first.index, second.index]
    # One key, and one handle for it: who has both can tell that it is one device, and not whose.
    assert json.loads(before[1])["key"] == json.loads(after[1])["key"]
    assert json.loads(after[-1])["end"] == {"envelopes": 1, "withheld": {"shared": 1}}
