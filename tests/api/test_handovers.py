"""Handing a device over through the API."""

import pytest

from devices.models import Device
from marketplace.handovers.models import HandoverOffer
from tests.builders_devices import make_signing_device

pytestmark = pytest.mark.django_db


@pytest.fixture
def device(sara, now):
    return make_signing_device(sara, now).device


def test_a_device_goes_to_another_owner(api_as, device, sara, ben):
    offer = api_as(sara).post(f"/api/devices/{device.public_id}/handover", {"email": ben.email}, format="json")
    assert (offer.status_code, set(offer.data)) == (201, {"code", "expires_at"})
    form = {"code": offer.data["code"], "name": "Garage"}
    taken = api_as(ben).post("/api/devices/takeover", form, format="json")
    assert (taken.status_code, taken.data["name"], taken.data["state"]) == (201, "Garage", "enrolled")
    before = api_as(sara).get(f"/api/devices/{device.public_id}").data
    assert (before["state"], before["handed_over_at"]) == ("handed_over", taken.data["taken_over_at"])
    again = api_as(ben).post("/api/devices/takeover", form, format="json")
    assert again.data["id"] == taken.data["id"]


def test_refuses_the_stranger(api_as, device, sara, ben, mallory):
    address = f"/api/devices/{device.public_id}/handover"
    assert api_as(mallory).post(address, {"email": mallory.email}, format="json").status_code == 404
    assert api_as(mallory).delete(address).status_code == 404
    code = api_as(sara).post(address, {"email": ben.email}, format="json").data["code"]
    refused = api_as(mallory).post("/api/devices/takeover", {"code": code, "name": "Mine"}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "handover_offer_unknown")
    assert Device.objects.count() == 1


def test_an_offer_can_be_withdrawn_and_a_repeat_hides_the_code(api_as, device, sara, ben):
    address = f"/api/devices/{device.public_id}/handover"
    seller = api_as(sara)
    for is_repeat in (False, True):
        answer = seller.post(address, {"email": ben.email}, format="json", headers={"Idempotency-Key": "one"})
        assert answer.status_code == 201
        assert (len(answer.json()["code"] or "") == 14) != is_repeat
    assert HandoverOffer.objects.count() == 1
    assert seller.delete(address).status_code == 204
    assert HandoverOffer.objects.get().withdrawn_at is not None
