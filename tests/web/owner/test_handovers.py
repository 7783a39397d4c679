"""Handing a device over and taking it over, on pages."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from devices.models import Batch, Device
from devices.services import resolve_batches
from marketplace.accounts.models import User
from marketplace.handovers.models import HandoverOffer
from marketplace.handovers.services import offer_device, retire_device_with_refunds
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import buy_listing
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import SigningDevice, day_start, make_signing_device, minutes
from tests.builders_money import fill_wallet

PERIOD = PlanTerms("period", 12 * EURO, 30 * 86_400)


@pytest.fixture
def station(sara: User, now: datetime, settings: Settings, tmp_path: Path) -> SigningDevice:
    settings.MEDIA_ROOT = tmp_path / "files"
    sender = make_signing_device(sara, now, "Roof")
    sender.send(minutes(day_start(now, 1), 60), now)
    return sender


def of(device: Device, name: str) -> str:
    return reverse(name, args=[device.public_id])


def sold(station: SigningDevice, buyer: User, at: datetime) -> None:
    owner = station.device.owner
    cellar = make_signing_device(owner, at, "Cellar").device
    consent = make_consent(owner, at, devices=[station.device, cellar])
    listing = make_listing(owner, at, consent=consent, plans=[PERIOD])
    fill_wallet(buyer, 50, at)
    buy_listing(listing=listing, plan=listing.plans.get(), buyer=buyer, quoted_micros=12 * EURO, at=at)


def test_the_page_says_before_what_ends(station, sara_client: Client, mallory: User, now: datetime):
    sold(station, mallory, now)
    page = sara_client.get(of(station.device, "device_handover")).text
    for text in ("It ends for Cellar too", "Roof weather", "1 buyer", "12.00"):
        assert text in page
    assert HandoverOffer.objects.count() == 0


def test_goes_from_the_code_to_the_new_owners_page(station, sara_client: Client, ben_client: Client, ben: User):
    page = sara_client.post(of(station.device, "device_handover"), {"email": ben.email})
    code = page.context["code"]
    assert f'id="secret-value">{code}<' in page.text
    assert code not in sara_client.get(of(station.device, "device_handover")).text
    assert f"Offered to {ben.email}" in sara_client.get(of(station.device, "device_page")).text

    shown = ben_client.post(reverse("device_takeover"), {"code": code})
    assert "Take over this device" in shown.text
    assert "Berlin" not in shown.text
    assert 'value="Roof"' not in shown.text
    form = {"code": code, "name": "Garage", "country": "FR", "region": "Lyon"}
    answer = ben_client.post(reverse("device_takeover_acceptance"), form)
    taken = Device.objects.get(owner=ben)
    assert answer["Location"] == of(taken, "device_page")
    assert "You took it over" in ben_client.get(of(taken, "device_page")).text
    before = sara_client.get(of(station.device, "device_page")).text
    assert "It went to another owner" in before
    assert "Hand over Roof" not in before
    assert ben_client.get(of(station.device, "device_page")).status_code == 404
    assert sara_client.get(of(taken, "device_page")).status_code == 404


def test_an_offer_can_be_taken_back(station, sara_client: Client, ben_client: Client, ben: User, now: datetime):
    _, code = offer_device(device=station.device, email=ben.email, at=now)
    answer = sara_client.post(of(station.device, "device_handover_withdrawal"))
    assert answer["Location"] == of(station.device, "device_page")
    refused = ben_client.post(reverse("device_takeover"), {"code": code})
    assert (refused.status_code, "handover_offer_over" in refused.text) == (422, True)


def test_refuses_a_stranger_and_writes_nothing(station, ben: User, mallory_client: Client, now: datetime):
    _, code = offer_device(device=station.device, email=ben.email, at=now)
    for name in ("device_handover", "device_handover_withdrawal"):
        assert mallory_client.post(of(station.device, name), {"email": "mallory@example.test"}).status_code == 404
    for name in ("device_takeover", "device_takeover_acceptance"):
        form = {"code": code, "name": "Mine", "country": "FR"}
        answer = mallory_client.post(reverse(name), form)
        assert (answer.status_code, "handover_offer_unknown" in answer.text) == (422, True)
    assert (Device.objects.count(), HandoverOffer.objects.get().withdrawn_at) == (1, None)


@pytest.mark.parametrize("email", ["", "nonsense", "SARA@example.test"])
def test_refuses_an_address_that_is_none_or_the_owners_own(station, sara_client: Client, email: str):
    answer = sara_client.post(of(station.device, "device_handover"), {"email": email})
    assert (answer.status_code, HandoverOffer.objects.count()) == (422, 0)


def test_asks_again_for_what_is_missing(station, ben: User, ben_client: Client, now: datetime):
    _, code = offer_device(device=station.device, email=ben.email, at=now)
    answer = ben_client.post(reverse("device_takeover_acceptance"), {"code": code, "name": "", "country": "FR"})
    assert (answer.status_code, code in answer.text, Device.objects.count()) == (422, True, 1)


def test_pages_need_a_log_in(station, visitor: Client):
    addresses = [of(station.device, "device_handover"), reverse("device_takeover")]
    for address in addresses:
        assert "/accounts/login/" in visitor.get(address)["Location"]
        assert "/accounts/login/" in visitor.post(address, {"email": "x@example.test"})["Location"]


def test_a_batch_with_readings_of_both_is_shown_to_neither(
    station, ben: User, ben_client: Client, sara_client: Client, now: datetime
):
    from tests.handovers.conftest import offered, take_over

    taken = take_over(ben, offered(station.device, ben, now), now)
    station.send([*minutes(day_start(now), 10), *minutes(now, 3)], now)
    before = Device.objects.get(pk=station.device.pk)
    for is_resolved in (False, True):
        if is_resolved:
            for device in (taken, before):
                resolve_batches(device=device, at=now)
        page = ben_client.get(reverse("batch_page", args=[taken.public_id, 2]))
        assert "another owner" in page.text
        assert page.context["decoded"] is None
        assert ben_client.get(reverse("reading_batch", args=[taken.public_id, 2])).status_code == 404
    assert Batch.objects.filter(device=before, sequence=2).exists()
    assert sara_client.get(reverse("reading_batch", args=[before.public_id, 2])).status_code == 404
    assert sara_client.get(reverse("reading_batch", args=[before.public_id, 1])).status_code == 200


def test_retiring_says_what_ends_and_what_goes_on(station, sara_client: Client, sara: User, mallory: User, now):
    sold(station, mallory, now)
    page = sara_client.get(of(station.device, "device_retirement")).text
    assert "1 consent over other devices as well goes on" in page
    cellar = Device.objects.get(name="Cellar")
    retire_device_with_refunds(device=station.device, at=now)
    page = sara_client.get(of(cellar, "device_retirement")).text
    assert "12.00" in page
    assert "goes on, with what" not in page
