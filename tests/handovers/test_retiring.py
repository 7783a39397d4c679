"""A retired device sends nothing more, so what was promised of it ends."""

import pytest

from devices.errors import DeviceHandedOver, DeviceRetired
from marketplace.consents.models import Consent
from marketplace.handovers.models import HandoverOffer
from marketplace.handovers.services import retire_device_with_refunds
from marketplace.purchases.models import Refund
from marketplace.purchases.services import buy_listing
from tests.builders import EURO, make_consent
from tests.builders_delivery import make_signing_device
from tests.handovers.conftest import offered, take_over

pytestmark = pytest.mark.django_db


def test_ends_the_consents_that_have_no_other_device(station, listing, sara, rich_mallory, now):
    plan = listing.plans.get(kind="period")
    buy_listing(listing=listing, plan=plan, buyer=rich_mallory, quoted_micros=12 * EURO, at=now)
    cellar = make_signing_device(sara, now, "Cellar")
    both = make_consent(sara, now, devices=[station.device, cellar.device])
    retire_device_with_refunds(device=station.device, at=now)
    assert list(Consent.objects.filter(withdrawn_at=None)) == [both]
    assert Refund.objects.get().amount_micros == 12 * EURO
    retire_device_with_refunds(device=cellar.device, at=now)
    assert not Consent.objects.filter(withdrawn_at=None).exists()


def test_what_it_sent_can_be_sold_anew(station, sara, now):
    retire_device_with_refunds(device=station.device, at=now)
    assert make_consent(sara, now, devices=[station.device]).is_active(now)


def test_an_offer_of_it_is_over(station, ben, now):
    offered(station.device, ben, now)
    retire_device_with_refunds(device=station.device, at=now)
    assert HandoverOffer.objects.get().withdrawn_at == now


def test_refuses_the_second_time_and_a_device_of_somebody_else_now(station, listing, sara, ben, now):
    other = make_signing_device(sara, now, "Cellar")
    take_over(ben, offered(other.device, ben, now), now)
    with pytest.raises(DeviceHandedOver):
        retire_device_with_refunds(device=other.device, at=now)
    retire_device_with_refunds(device=station.device, at=now)
    with pytest.raises(DeviceRetired):
        retire_device_with_refunds(device=station.device, at=now)
