from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from django.core.cache import cache
from django.utils import timezone

from marketplace.access.models import AccessToken
from marketplace.accounts.models import User
from marketplace.listings.models import Listing
from tests.builders_delivery import SigningDevice, buy_token, make_stocked_listing


@dataclass
class Bought:
    """What ben bought of sara's listing, and the token that he holds. at: when."""

    sender: SigningDevice
    listing: Listing
    token: AccessToken
    text: str
    at: datetime

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}

    @property
    def table(self) -> str:
        return f"/delta-sharing/shares/{self.listing.share_name}/schemas/data/tables/readings"


@pytest.fixture
def bought(sara: User, ben: User) -> Bought:
    """Made in real time, because the doors read the clock."""
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at)
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


@pytest.fixture(autouse=True)
def _no_failures_yet() -> Iterator[None]:
    """Refused tokens are counted by address, and all tests have the same one."""
    cache.clear()
    yield
    cache.clear()
