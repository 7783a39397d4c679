"""Staff looks at devices, batches and files of readings, and changes none of them."""

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from devices.models import Batch, Device, ReadingFile
from devices.resolving import resolve_batches
from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, make_signing_device

pytestmark = pytest.mark.django_db

KINDS: list[Any] = [Device, Batch, ReadingFile]


@pytest.fixture
def station(sara: User, now: datetime) -> SigningDevice:
    station = make_signing_device(sara, now)
    station.send([(now, "air_temperature", 1.5, "Cel")], at=now)
    resolve_batches(device=station.device, at=now)
    return station


@pytest.fixture
def superuser(ben: User, client: Client) -> Client:
    ben.is_staff = ben.is_superuser = True
    ben.save()
    client.force_login(ben)
    return client


def address(kind: Any, act: str, *args: Any) -> str:
    return reverse(f"admin:devices_{kind._meta.model_name}_{act}", args=args)


@pytest.mark.parametrize("kind", KINDS)
def test_even_a_superuser_only_looks(superuser: Client, station: SigningDevice, kind: Any) -> None:
    row = kind.objects.get()
    page = address(kind, "change", row.pk)
    assert superuser.get(address(kind, "changelist")).status_code == 200
    assert superuser.get(page).status_code == 200
    before = kind.objects.values().get()
    for refused in (page, address(kind, "add"), address(kind, "delete", row.pk)):
        assert superuser.post(refused, {"name": "changed"}).status_code == 403
    assert kind.objects.values().get() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_is_found_by_its_public_id(superuser: Client, station: SigningDevice, kind: Any) -> None:
    found = superuser.get(address(kind, "changelist"), {"q": str(station.device.public_id)})
    assert found.context["cl"].result_count == 1
    assert superuser.get(address(kind, "changelist"), {"q": "nothing"}).context["cl"].result_count == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_stranger_sees_nothing(mallory: User, client: Client, station: SigningDevice, kind: Any) -> None:
    client.force_login(mallory)
    assert client.get(address(kind, "changelist")).status_code == 302
