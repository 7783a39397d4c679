from __future__ import annotations

import re
import shlex
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from nacl.signing import SigningKey

from devices.models import ClaimCode, Device
from ledger.models import OutboxRow
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.web.owner.claims import state_folder
from marketplace.web.owner.envelopes import exact_time
from tests.builders import make_consent
from tests.builders_devices import SigningDevice, add_waiting_device, enrol_with, make_signing_device

FORM = {"name": "Garden", "kind": "weather_station", "country": "DE", "region": "Berlin"}


def sent_device(owner: User, now: datetime) -> SigningDevice:
    """A device with two batches of an hour each."""
    sender = make_signing_device(owner, now)
    for hour in (3, 2):
        start = now - timedelta(hours=hour)
        times = [start + timedelta(minutes=step) for step in range(60)]
        sender.send([(time, "air_temperature", 20 + step / 7, "Cel") for step, time in enumerate(times)], at=now)
    return sender


def test_an_empty_list_leads_to_the_first_device(sara_client: Client):
    response = sara_client.get(reverse("device_list"))
    assert response.status_code == 200
    assert reverse("device_add") in response.content.decode()


def test_the_list_names_own_devices_only(sara_client: Client, sara: User, mallory: User, now: datetime):
    add_waiting_device(sara, now, name="Garden")
    add_waiting_device(mallory, now, name="Cellar")
    page = sara_client.get(reverse("device_list")).content.decode()
    assert "Garden" in page
    assert "Cellar" not in page


def test_the_list_goes_on_below_the_last_row(sara_client: Client, sara: User, now: datetime):
    for number in range(51):
        add_waiting_device(sara, now - timedelta(minutes=number), name=f"Device {number:02}")
    first = sara_client.get(reverse("device_list"))
    assert "Device 49" in first.content.decode()
    assert "Device 50" not in first.content.decode()
    second = sara_client.get(reverse("device_list"), {"from": first.context["page"].next_mark})
    assert "Device 50" in second.content.decode()
    assert "Device 49" not in second.content.decode()


def move_to_berlin(user: User) -> None:
    user.time_zone = "Europe/Berlin"
    user.save()


def test_adding_a_device_shows_its_claim_code(sara_client: Client, sara: User):
    move_to_berlin(sara)
    response = sara_client.post(reverse("device_add"), FORM, follow=True)
    device = Device.objects.get(owner=sara)
    assert response.redirect_chain == [(reverse("device_page", args=[device.public_id]), 302)]
    page = response.content.decode()
    code = re.search(r'class="claim-code">([A-Z0-9]{4}-[A-Z0-9]{4})<', page)
    assert code is not None
    place = f"--state ~/.ownstream-devices/garden-{str(device.public_id)[-8:]}"
    command = f".venv/bin/python -m devices.agent enrol --server http://testserver {place} --code {code.group(1)}"
    assert command in page
    assert "(Europe/Berlin)" in page
    assert "data:image/svg+xml" in page


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Roof; rm -rf $HOME", "roof-rm-rf-home"),
        ("屋根", "weather-station"),
        ("-" * 60, "weather-station"),
        ("w" * 60, "w" * 24),
    ],
)
def test_each_device_has_a_folder_of_its_own_that_a_shell_takes_as_one_word(
    sara: User, now: datetime, name: str, slug: str
):
    devices = [add_waiting_device(sara, now, name=name), add_waiting_device(sara, now, name=name)]
    folders = [state_folder(device) for device in devices]
    assert folders == [f"~/.ownstream-devices/{slug}-{str(device.public_id)[-8:]}" for device in devices]
    assert len(set(folders)) == 2
    assert all(shlex.quote(folder[2:]) == folder[2:] for folder in folders)


def test_refuses_a_device_without_a_name(sara_client: Client):
    response = sara_client.post(reverse("device_add"), FORM | {"name": ""})
    assert response.status_code == 422
    assert "Give the device a name" in response.content.decode()
    assert not Device.objects.exists()


def test_refuses_a_country_that_does_not_exist(sara_client: Client):
    assert sara_client.post(reverse("device_add"), FORM | {"country": "XX"}).status_code == 422
    assert not Device.objects.exists()


def test_a_new_code_ends_the_old_one(sara_client: Client, sara: User, now: datetime):
    sara_client.post(reverse("device_add"), FORM)
    device = Device.objects.get(owner=sara)
    response = sara_client.post(reverse("device_claim", args=[device.public_id]))
    assert response.status_code == 302
    assert ClaimCode.objects.usable_at(now).count() == 1
    assert ClaimCode.objects.count() == 2


def test_the_last_batch_is_the_newest_that_arrived(sara_client: Client, sara: User, now: datetime):
    """The device's own row follows at most once a second."""
    sender = sent_device(sara, now)
    assert Device.objects.get(pk=sender.device.pk).last_sequence < 2
    page = sara_client.get(reverse("device_page", args=[sender.device.public_id])).content.decode()
    assert "<dd>number 2</dd>" in page


def test_a_withdrawn_consent_reads_no_more(sara_client: Client, sara: User, now: datetime):
    sender = sent_device(sara, now)
    consent = make_consent(sara, now, devices=[sender.device])
    address = reverse("device_page", args=[sender.device.public_id])
    assert "Earlier:" not in sara_client.get(address).content.decode()
    withdraw_consent(consent=consent, at=now)
    response = sara_client.get(address)
    assert response.context["permissions"] == []
    page = response.content.decode()
    assert "Nobody but you." in page
    assert "Earlier: 1 consent that is over" in page
    assert reverse("consent_page", args=[consent.public_id]) in page


def test_refuses_a_code_for_an_enrolled_device(sara_client: Client, sara: User, now: datetime):
    device = make_signing_device(sara, now).device
    codes = ClaimCode.objects.count()
    response = sara_client.post(reverse("device_claim", args=[device.public_id]))
    assert response.status_code == 422
    assert "device_enrolled" in response.content.decode()
    assert ClaimCode.objects.count() == codes


def test_a_code_that_is_too_old_is_not_shown(sara_client: Client, sara: User, now: datetime):
    device = add_waiting_device(sara, now)
    page = sara_client.get(reverse("device_page", args=[device.public_id])).content.decode()
    assert "claim-code" not in page
    assert reverse("device_claim", args=[device.public_id]) in page


def test_status_follows_from_the_code_to_the_first_readings(sara_client: Client, sara: User, now: datetime):
    sara_client.post(reverse("device_add"), FORM)
    device = Device.objects.get(owner=sara)
    address = reverse("device_status", args=[device.public_id])
    shown = sara_client.get(reverse("device_page", args=[device.public_id])).content.decode()
    assert "?shown=code" in shown
    assert sara_client.get(address, {"shown": "code"}).status_code == 204
    code = re.search(r'class="claim-code">([^<]+)<', shown)
    assert code is not None
    key = SigningKey.generate()
    enrol_with(code.group(1), key, now)
    enrolled = sara_client.get(address, {"shown": "code"}).content.decode()
    assert "is enrolled" in enrolled
    place = f"--state ~/.ownstream-devices/garden-{str(device.public_id)[-8:]}"
    assert f".venv/bin/python -m devices.agent simulate --live {place}" in enrolled
    assert f"temperature=air_temperature:Cel {place}<" in enrolled
    assert "?shown=enrolled" in enrolled
    assert "<html" not in enrolled
    assert sara_client.get(address, {"shown": "enrolled"}).status_code == 204
    device.refresh_from_db()
    SigningDevice(device, key).send([(now, "air_temperature", 20.0, "Cel")], at=now)
    first = sara_client.get(address, {"shown": "enrolled"}).content.decode()
    assert "The first readings are here" in first
    assert "hx-trigger" not in first


def test_the_page_of_an_enrolled_device_follows_until_its_first_readings(
    sara_client: Client, sara: User, now: datetime
):
    move_to_berlin(sara)
    sender = make_signing_device(sara, now)
    address = reverse("device_page", args=[sender.device.public_id])
    assert "?shown=enrolled" in sara_client.get(address).content.decode()
    sender.send([(now - timedelta(hours=1), "air_temperature", 20.0, "Cel")], at=now)
    page = sara_client.get(address).content.decode()
    assert "?shown=" not in page
    assert "times in Europe/Berlin" in page
    assert "Readings from (Europe/Berlin)" in page


def test_a_device_that_retired_without_a_reading_is_not_followed(sara_client: Client, sara: User, now: datetime):
    device = make_signing_device(sara, now).device
    sara_client.post(reverse("device_retirement", args=[device.public_id]))
    status = sara_client.get(reverse("device_status", args=[device.public_id]), {"shown": "enrolled"}).content.decode()
    assert "is retired" in status
    assert "hx-trigger" not in status


def test_the_page_draws_the_readings(sara_client: Client, sara: User, now: datetime):
    device = sent_device(sara, now).device
    for name in ("day", "week", "month", "all", "nonsense"):
        response = sara_client.get(reverse("device_page", args=[device.public_id]), {"range": name})
        assert response.status_code == 200
        assert "series-line" in response.content.decode()


def test_a_missing_batch_is_a_row_of_its_own(sara_client: Client, sara: User, now: datetime):
    sender = make_signing_device(sara, now)
    reading = [(now - timedelta(hours=1), "air_temperature", 1.0, "Cel")]
    sender.send(reading, at=now, sequence=1)
    sender.send(reading, at=now, sequence=4)
    page = sara_client.get(reverse("device_batches", args=[sender.device.public_id])).content.decode()
    assert "Batches 2 to 3 are missing (2)." in page


def test_batches_come_in_pages(sara_client: Client, sara: User, now: datetime):
    sender = make_signing_device(sara, now)
    for number in range(26):
        sender.send([(now - timedelta(minutes=number), "air_temperature", 1.0, "Cel")], at=now)
    address = reverse("device_batches", args=[sender.device.public_id])
    assert "?before=2" in sara_client.get(address).content.decode()
    last = sara_client.get(address, {"before": "2"}).context["batches"]
    assert [batch.sequence for batch in last.rows] == [1]
    assert last.next_before is None


def test_the_download_is_what_the_device_signed(sara_client: Client, sara: User, now: datetime):
    sender = make_signing_device(sara, now)
    envelope = sender.sign([{"n": "air_temperature", "u": "Cel", "v": 20.5, "t": now.timestamp() - 60}], at=now)
    from devices.services import accept_batch

    accept_batch(envelope=envelope, at=now)
    response = sara_client.get(reverse("reading_batch", args=[sender.device.public_id, 1]))
    assert response.content == envelope
    assert response["Content-Disposition"].startswith("attachment;")


def test_a_batch_is_shown_down_to_its_signature(sara_client: Client, sara: User, now: datetime):
    device = sent_device(sara, now).device
    response = sara_client.get(reverse("batch_page", args=[device.public_id, 1]))
    assert response.context["decoded"].is_verified
    assert "did:key:z" in response.content.decode()
    assert response.context["decoded"].readings[0] == (
        "2026-03-14T06:26:53.000000Z",
        "air_temperature",
        20.0,
        "Cel",
    )


def test_times_keep_their_microseconds():
    assert exact_time(1_500_000) == "1970-01-01T00:00:01.500000Z"


def test_every_reading_leads_to_its_batch(sara_client: Client, sara: User, now: datetime):
    device = sent_device(sara, now).device
    address = reverse("device_readings", args=[device.public_id])
    response = sara_client.get(address, {"measure": "air_temperature"})
    page = response.context["page"]
    assert "Time (UTC)" in response.content.decode()
    assert len(page.rows) == 100
    assert page.rows[0].sequence == 2
    assert reverse("batch_page", args=[device.public_id, 2]) in response.content.decode()
    rest = sara_client.get(address, {"before": page.next_before}).context["page"]
    assert len(rest.rows) == 20
    assert rest.rows[0].at < page.rows[-1].at
    assert rest.next_before == ""


@pytest.mark.parametrize(
    ("before", "shown"),
    [
        ("yesterday", 100),
        ("0001-01-01T00:00:00+00:00", 0),
        ("0001-01-01T00:00:00+14:00", 100),
        ("9999-12-31T23:59:59-14:00", 100),
        ("9999-12-31T23:59:59+00:00", 100),
        ("2999-12-31T23:59:59+05:30", 100),
    ],
)
def test_readings_take_any_address(sara_client: Client, sara: User, now: datetime, before: str, shown: int):
    device = sent_device(sara, now).device
    address = reverse("device_readings", args=[device.public_id])
    response = sara_client.get(address, {"before": before, "measure": "nonsense"})
    assert response.status_code == 200
    assert len(response.context["page"].rows) == shown


@pytest.mark.parametrize("before", ["9" * 30, "-1", "0", "x", "٣"])
def test_batches_take_any_address(sara_client: Client, sara: User, now: datetime, before: str):
    device = sent_device(sara, now).device
    assert sara_client.get(reverse("device_batches", args=[device.public_id]), {"before": before}).status_code == 200


def test_retiring_asks_first_and_is_recorded(sara_client: Client, sara: User, now: datetime):
    device = make_signing_device(sara, now).device
    address = reverse("device_retirement", args=[device.public_id])
    assert "cannot be undone" in sara_client.get(address).content.decode()
    assert sara_client.post(address).status_code == 302
    device.refresh_from_db()
    assert device.retired_at == now
    assert OutboxRow.objects.filter(kind="device.retired").count() == 1
    assert "Retired" in sara_client.get(reverse("device_page", args=[device.public_id])).content.decode()


def test_refuses_to_retire_twice(sara_client: Client, sara: User, now: datetime):
    device = make_signing_device(sara, now).device
    address = reverse("device_retirement", args=[device.public_id])
    sara_client.post(address)
    response = sara_client.post(address)
    assert response.status_code == 422
    assert "device_retired" in response.content.decode()
    assert OutboxRow.objects.filter(kind="device.retired").count() == 1


def test_a_stranger_finds_nothing(mallory_client: Client, visitor: Client, sara: User, now: datetime):
    device = sent_device(sara, now).device
    one = [device.public_id]
    pages = [
        reverse("device_page", args=one),
        reverse("device_status", args=one),
        reverse("device_retirement", args=one),
        reverse("device_readings", args=one),
        reverse("device_batches", args=one),
        reverse("batch_page", args=[*one, 1]),
        reverse("reading_batch", args=[*one, 1]),
    ]
    for address in pages:
        assert mallory_client.get(address).status_code == 404, address
        response = visitor.get(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith(reverse("account_login")), address
    for name in ("device_claim", "device_retirement"):
        assert mallory_client.post(reverse(name, args=one)).status_code == 404, name
        assert visitor.post(reverse(name, args=one)).status_code == 302, name
    device.refresh_from_db()
    assert device.retired_at is None


def test_what_does_not_exist_is_not_found(sara_client: Client, sara: User, now: datetime):
    device = add_waiting_device(sara, now)
    assert sara_client.get(reverse("device_page", args=[uuid4()])).status_code == 404
    assert sara_client.get(reverse("batch_page", args=[device.public_id, 1])).status_code == 404
