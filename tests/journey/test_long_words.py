"""Names that people give may have no place to break; the pages that show them stay as narrow as a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from devices.models import Device
from marketplace.listings.models import Listing
from tests.journey.looks import overflow_faults
from tests.journey.market import Market, make_market
from tests.journey.people import NewContext, confirm_identity, fill_in, log_in, open_browser, send_form

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "Wetterstation" * 4 + "Dachraum"
TITLE = "Donaudampfschifffahrtsgesellschaft" * 3


@pytest.fixture
def market(transactional_db: None) -> Market:
    market = make_market(timezone.now() - timedelta(minutes=1))
    Device.objects.update(name=NAME)
    Listing.objects.update(title=TITLE)
    return market


def test_owner_pages_break_long_words(live_server: LiveServer, market: Market, new_context: NewContext) -> None:
    page = open_browser(new_context, live_server)
    log_in(page, market.people["sara"].email)
    page.wait_for_url("**/home/")
    confirm_identity(page)
    rows: dict[str, dict[str, Any]] = {
        "device_page": market.devices,
        "device_retirement": {"enrolled": market.devices["enrolled"]},
        "device_handover": {name: market.devices[name] for name in ("enrolled", "silent")},
        "device_batches": {"enrolled": market.devices["enrolled"]},
        "device_disclosure": {"enrolled": market.devices["enrolled"]},
        "consent_page": market.consents,
        "consent_receipt": market.consents,
        "consent_withdrawal": market.consents,
        "own_listing": market.listings,
    }
    addresses = [reverse(name) for name in ("home", "device_list", "consent_list", "consent_add", "listing_list")]
    addresses += [reverse(name, args=[row.public_id]) for name, found in rows.items() for row in found.values()]
    faults = {}
    for address in addresses:
        page.goto(address)
        assert NAME in page.content() or TITLE in page.content() or "/consents/" in address, address
        faults[address] = overflow_faults(page)
    page.goto(reverse("device_add"))
    form = fill_in(page, {"name": NAME, "country": "DE", "region": "Berlin"})
    form.locator('[name="kind"][value="weather_station"]').check()
    send_form(form)
    page.locator(".claim-code").wait_for()
    faults["claim"] = overflow_faults(page)
    faults = {address: found for address, found in faults.items() if found}
    assert not faults, "\n".join(f"{address}: {fault}" for address, found in faults.items() for fault in found)
