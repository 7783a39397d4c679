"""A measure may have a long name, and keeps all of it on the whole way to a buyer."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import timezone

from devices.errors import SenmlMalformed
from devices.limits import LONGEST_MEASURE_NAME
from devices.models import Measure
from marketplace.accounts.models import User
from marketplace.api.serializers.consents import ConsentIn
from marketplace.consents.models import Consent
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.files import read_rows
from marketplace.listings.models import Listing
from marketplace.web.forms.buyer import read_search
from tests.builders import make_consent, make_listing
from tests.builders_devices import SigningDevice

pytestmark = pytest.mark.django_db

NAME = "m" * LONGEST_MEASURE_NAME


def test_a_device_may_not_send_a_longer_one(station: SigningDevice, now: datetime) -> None:
    with pytest.raises(SenmlMalformed, match="at most 100 characters"):
        station.send([(now, NAME + "m", 1.5, "Cel")], at=now)
    assert not Measure.objects.exists()


def test_the_longest_name_is_consented_listed_and_delivered_whole(
    sara: User, station: SigningDevice, now: datetime
) -> None:
    station.send([(now - timedelta(hours=1), NAME, 1.5, "Cel")], at=now)
    consent = make_consent(sara, now, devices=[station.device], fields=[NAME])
    listing = make_listing(sara, now, consent=consent)
    table = refresh_table(listing=listing, at=now)
    assert Consent.objects.get().fields == [NAME]
    assert Listing.objects.get().measures == [NAME]
    assert read_rows(table.segments.get().path)[NAME].to_list() == [1.5]


def test_the_longest_name_can_be_looked_for() -> None:
    assert read_search(QueryDict(f"measure={NAME}")).selection.measure == (NAME,)
    assert read_search(QueryDict(f"measure={NAME}m")).selection.measure == ()


@pytest.mark.parametrize(("name", "is_taken"), [(NAME, True), (NAME + "m", False)])
def test_the_api_takes_names_of_that_length(name: str, is_taken: bool) -> None:
    body: dict[str, Any] = {
        "devices": ["00000000-0000-0000-0000-000000000000"],
        "fields": [name],
        "resolution": "raw",
        "purposes": ["ResearchAndDevelopment"],
        "valid_until": timezone.now().isoformat(),
    }
    consent = ConsentIn(data=body)
    consent.is_valid()
    assert ("fields" in consent.errors) is not is_taken
