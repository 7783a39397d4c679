"""An owner deletes what one device sent: here, in the files for buyers, in what comes after, and with proof."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Batch, Device, Measure, ReadingFile
from devices.originals import Sight, find_originals
from devices.readings import read_readings
from devices.services import resolve_batches
from ledger.models import Entry, OutboxRow
from ledger.reconciliation import reconcile
from ledger.services import sequence_batch, verify_log
from marketplace.access.errors import AccessError
from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key
from marketplace.consents.models import Resolution
from marketplace.delivery.models import DeliveryTable, EvidenceFile, Export, Segment
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.recording import record_segments
from marketplace.erasure.errors import NoReadings
from marketplace.erasure.files import remove_left_files
from marketplace.erasure.models import LeftFile, ReadingsDeletion
from marketplace.erasure.services import delete_device_readings, erase_account
from marketplace.handovers.services import accept_device, offer_device
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.notices.models import Notice
from marketplace.purchases.models import Purchase
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import SigningDevice, bearer, buy_token, day_start, minutes
from tests.builders_money import at_once, fill_wallet
from tests.erasure.people import enrol

pytestmark = pytest.mark.django_db
MONTH = PlanTerms("period", 30 * EURO, 30 * 86_400)


@pytest.fixture
def now() -> datetime:
    """Pages and doors ask the clock themselves."""
    return timezone.now()


@pytest.fixture
def sender(sara: User, now: datetime) -> SigningDevice:
    sender = enrol(sara, now, "Rooftop")
    sender.send(minutes(day_start(now, 1), 5), now)
    return sender


def sold(sender: SigningDevice, ben: User, at: datetime, **terms: Any) -> tuple[Listing, str]:
    owner = sender.device.owner
    consent = make_consent(owner, at, devices=[sender.device], **terms)
    listing = make_listing(owner, at, consent=consent, plans=[MONTH])
    fill_wallet(ben, 30, at)
    return listing, buy_token(listing, ben, at)[1]


def left(device: Device) -> int:
    far = timedelta(days=400)
    resolve_batches(device=device, at=timezone.now())
    names = list(device.measures.values_list("name", flat=True))
    return read_readings(device, names=names, start=timezone.now() - far, until=timezone.now() + far).height


@pytest.mark.parametrize("resolution", [Resolution.RAW, Resolution.HOUR])
def test_everything_goes_and_the_log_shows_it(
    client: Client, sender: SigningDevice, ben: User, now: datetime, resolution: Resolution
) -> None:
    listing, text = sold(sender, ben, now, resolution=resolution)
    address = f"/data/{Purchase.objects.get().public_id}"
    assert b"".join(client.get(f"{address}/readings?format=csv", headers=bearer(text)))
    client.get(f"{address}/evidence", headers=bearer(text))
    record_segments(listing=listing, at=now)
    sequence_batch(at=now)
    hashes = [bytes(segment.sha256).hex() for segment in Segment.objects.all()]
    kept: list[Any] = [Segment, Export, EvidenceFile, ReadingFile]
    paths = [path for model in kept for path in model.objects.values_list("path", flat=True)]
    assert len(paths) >= 3

    emptied = delete_device_readings(device=sender.device, at=now)
    remove_left_files()
    assert (emptied.batch_count, emptied.reading_count) == (1, 5)
    assert [path for path in paths if default_storage.exists(path)] == []
    assert not any(model.objects.exists() for model in [*kept, DeliveryTable])
    device = Device.objects.get(pk=sender.device.pk)
    assert (device.reading_count, device.first_reading_at, device.last_reading_at) == (0, None, None)
    assert (device.state, device.readings_deleted_at) == (Device.State.ENROLLED, now)
    assert left(device) == 0

    sequence_batch(at=now)
    entry = Entry.objects.get(kind="device.readings_deleted")
    assert json.loads(bytes(entry.body))["batch_count"] == 1
    assert str(device.public_id) not in bytes(entry.body).decode() + str(entry.refs)
    for sha256 in hashes:
        out = io.StringIO()
        call_command("prove_removal", sha256, stdout=out)
        assert json.loads(out.getvalue())["sha256"] == sha256
    assert verify_log().is_good
    assert not [one for one in reconcile().differences if one.row_count or one.entry_count]


def test_consents_end_and_buyers_get_back_what_is_left(sender: SigningDevice, ben: User, now: datetime) -> None:
    listing, text = sold(sender, ben, now)
    delete_device_readings(device=sender.device, at=now)
    with pytest.raises(AccessError):
        authorise(token=text, at=now)
    listing.consent.refresh_from_db()
    assert listing.consent.withdrawn_at == now
    assert balance_micros(account_of(ben)) == 30 * EURO
    assert Notice.objects.filter(user=ben, kind="withdrawal").count() == 1


def test_what_was_sent_before_does_not_come_back_and_what_follows_stays(
    sender: SigningDevice, sara: User, ben: User, now: datetime
) -> None:
    sent = Batch.objects.get()
    delete_device_readings(device=sender.device, at=now)
    sender.sequence = 0
    sender.send(minutes(day_start(now, 1), 5), now)
    batch = Batch.objects.get()
    assert (batch.pk, bytes(batch.content_hash)) == (sent.pk, bytes(sent.content_hash))
    assert (batch.envelope_size, left(sender.device)) == (0, 0)
    sender.send(minutes(day_start(now, 1) + timedelta(hours=1), 3), now)
    assert left(sender.device) == 3
    assert Measure.objects.get(device=sender.device).reading_count == 3
    listing, _ = sold(sender, ben, now)
    assert refresh_table(listing=listing, at=now).segments.current().get().row_count == 3
    found = find_originals(Device.objects.get(pk=sender.device.pk), Sight(["air_temperature"], None, now))
    assert (len(found.found), dict(found.withheld)) == (1, {})
    delete_device_readings(device=sender.device, at=now)
    assert (left(sender.device), ReadingsDeletion.objects.count()) == (0, 2)


def test_batches_that_wait_go_too(sender: SigningDevice, now: datetime) -> None:
    resolve_batches(device=sender.device, at=now)
    sender.send(minutes(day_start(now, 2), 7), now)
    assert delete_device_readings(device=sender.device, at=now).reading_count == 12
    assert not Batch.objects.waiting().exists()
    assert left(sender.device) == 0


def test_a_second_time_there_is_nothing_to_delete(sender: SigningDevice, now: datetime) -> None:
    delete_device_readings(device=sender.device, at=now)
    count = OutboxRow.objects.count()
    with pytest.raises(NoReadings):
        delete_device_readings(device=sender.device, at=now)
    assert OutboxRow.objects.count() == count


def test_a_former_owner_deletes_his_own_and_no_other(
    sender: SigningDevice, sara: User, ben: User, now: datetime
) -> None:
    at = now + timedelta(minutes=1)
    _, code = offer_device(device=sender.device, email=ben.email, at=now)
    taken = accept_device(user=ben, code=code, name="Mine", country="DE", region="", at=at)
    # One batch of both times, which has not been told apart yet.
    sender.send(minutes(at - timedelta(minutes=2), 4), at + timedelta(minutes=3))
    former = Device.objects.get(pk=sender.device.pk)
    delete_device_readings(device=former, at=at + timedelta(minutes=4))
    assert (left(former), left(taken)) == (0, 2)
    delete_device_readings(device=taken, at=at + timedelta(minutes=5))
    assert (left(former), left(taken)) == (0, 0)


def test_nothing_is_half_deleted(
    sender: SigningDevice, ben: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, text = sold(sender, ben, now)

    def fail(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("marketplace.erasure.readings.record_readings_deletion", fail)
        delete_device_readings(device=sender.device, at=now)
    assert authorise(token=text, at=now)
    assert (left(sender.device), Segment.objects.count(), LeftFile.objects.count()) == (5, 1, 0)
    assert all(default_storage.exists(path) for path in Segment.objects.values_list("path", flat=True))


def test_the_erasure_of_the_account_leaves_no_difference(sender: SigningDevice, sara: User, now: datetime) -> None:
    delete_device_readings(device=sender.device, at=now)
    sequence_batch(at=now)
    erase_account(user=sara, at=now)
    sequence_batch(at=now)
    assert not [one for one in reconcile().differences if one.row_count or one.entry_count]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(4))
def test_whatever_happens_at_the_same_time_is_before_or_after(
    sara: User, ben: User, now: datetime, number: int
) -> None:
    sender = enrol(sara, now, "Rooftop")
    sender.send(minutes(day_start(now, 1), 5), now)
    listing, _ = sold(sender, ben, now)
    device = sender.device
    delete = partial(delete_device_readings, device=device, at=now)
    acts: list[Callable[[], Any]] = [
        delete,
        partial(sender.send, minutes(day_start(now, 2), 3), now),
        partial(resolve_batches, device=device, at=now),
        delete,
        partial(refresh_table, listing=listing, at=now),
    ]
    answers = at_once(acts)
    deleted = [answers[0], answers[3]]
    wrong = [one for one in answers if isinstance(one, Exception) and not isinstance(one, NoReadings)]
    assert wrong == []
    assert not isinstance(deleted[0], NoReadings) or not isinstance(deleted[1], NoReadings)
    # The batch came before the last deletion and is gone with it, or after it and is whole.
    assert left(device) in (0, 3)
    kept = Batch.objects.filter(envelope_size__gt=0)
    assert kept.count() == (1 if left(device) else 0)
    assert not DeliveryTable.objects.filter(version__gt=0).exists()
    assert not Segment.objects.exists()


def test_the_owner_does_it_on_a_page(
    client: Client, sender: SigningDevice, sara: User, ben: User, now: datetime
) -> None:
    listing, _ = sold(sender, ben, now)
    address = reverse("device_readings_deletion", args=[sender.device.public_id])
    client.force_login(ben)
    assert (client.get(address).status_code, client.post(address).status_code) == (404, 404)
    client.force_login(sara)
    assert address in client.get(reverse("device_page", args=[sender.device.public_id])).content.decode()
    asked = client.get(address).content.decode()
    for part in ("5 readings", listing.title, "1 buyer", "cannot be undone", "Keep them"):
        assert part in asked
    assert left(sender.device) == 5
    done = client.post(address, follow=True)
    assert "5 readings of Rooftop are deleted." in done.content.decode()
    assert "Readings deleted" in done.content.decode()
    assert (
        "You deleted its readings"
        in client.get(reverse("batch_page", args=[sender.device.public_id, 1])).content.decode()
    )
    assert client.get(reverse("reading_batch", args=[sender.device.public_id, 1])).status_code == 404
    again = client.post(address)
    assert (again.status_code, "no readings of this device" in again.content.decode()) == (422, True)
    client.force_login(ben)
    purchase = Purchase.objects.get()
    for name in ("purchase_page", "purchase_usage", "purchase_download"):
        assert client.get(reverse(name, args=[purchase.public_id])).status_code == 200


def test_a_program_does_it(sender: SigningDevice, sara: User, ben: User, now: datetime) -> None:
    address = f"/api/devices/{sender.device.public_id}/readings"
    answers = []
    for user in (ben, sara, sara):
        program = APIClient(headers={"Authorization": f"Bearer {create_api_key(user=user, name='x', at=now)[1]}"})
        answers.append(program.delete(address))
    assert [answer.status_code for answer in answers] == [404, 200, 409]
    assert (answers[1].json()["reading_count"], answers[2].json()["code"]) == (0, "no_readings")
