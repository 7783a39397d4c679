from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from devices.models import Device
from marketplace.accounts.models import User
from marketplace.handovers.services import accept_device, offer_device
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import SigningDevice, day_start, make_signing_device, minutes
from tests.builders_money import fill_wallet

PLANS = (PlanTerms("one_off", 5 * EURO), PlanTerms("period", 12 * EURO, 30 * 86_400))


@pytest.fixture(autouse=True)
def files_folder(tmp_path: Path, settings: Settings) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def station(sara: User, now: datetime) -> SigningDevice:
    """Sara's device with an hour of readings from the day before."""
    sender = make_signing_device(sara, now)
    sender.send(minutes(day_start(now, 1), 60), now)
    return sender


@pytest.fixture
def listing(sara: User, station: SigningDevice, now: datetime) -> Listing:
    return make_listing(sara, now, consent=make_consent(sara, now, devices=[station.device]), plans=PLANS)


@pytest.fixture
def rich_mallory(mallory: User, now: datetime) -> User:
    """Mallory buys; sara hands over to ben."""
    fill_wallet(mallory, 50, now)
    return mallory


def offered(device: Device, to: User, at: datetime) -> str:
    return offer_device(device=device, email=to.email, at=at)[1]


def take_over(user: User, code: str, at: datetime) -> Device:
    return accept_device(user=user, code=code, name="Garage", country="FR", region="", at=at)
