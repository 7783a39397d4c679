"""Short ways to a device, a consent and a listing, through the services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from devices.models import Device, Measure
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.consents.services import grant_consent
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.listings.services import draft_listing, publish_listing, set_plans

EURO = 1_000_000


def make_device(owner: User, at: datetime, *, measures: Sequence[str] = ("air_temperature", "humidity")) -> Device:
    """An enrolled device that has sent these measures, without the readings themselves."""
    device = Device.objects.create(
        owner=owner, name="Roof", kind="weather_station", country="DE", region="Berlin", created_at=at, enrolled_at=at
    )
    Measure.objects.bulk_create(
        Measure(device=device, name=name, unit="Cel", first_at=at, last_at=at, reading_count=1) for name in measures
    )
    return device


def make_consent(owner: User, at: datetime, **changes: Any) -> Consent:
    terms: dict[str, Any] = {
        "devices": changes.pop("devices", None) or [make_device(owner, at)],
        "fields": ["air_temperature"],
        "resolution": "raw",
        "delay_seconds": 0,
        "purposes": ["AcademicResearch"],
        "audience": "anyone",
        "buyer_emails": [],
        "valid_until": at + timedelta(days=365),
    }
    return grant_consent(owner=owner, at=at, **(terms | changes))


def make_draft(seller: User, at: datetime, *, consent: Consent | None = None, title: str = "Roof weather") -> Listing:
    return draft_listing(
        seller=seller,
        consent=consent or make_consent(seller, at),
        title=title,
        summary="Measured on a roof, every minute.",
        category="weather",
        licence_text="Use it for the purposes above. Do not pass it on.",
        at=at,
    )


def make_listing(
    seller: User,
    at: datetime,
    *,
    plans: Sequence[PlanTerms] = (PlanTerms("one_off", 5 * EURO),),
    is_recorded: bool = True,
    **draft: Any,
) -> Listing:
    """A published listing; live unless is_recorded is False."""
    listing = make_draft(seller, at, **draft)
    set_plans(listing=listing, plans=plans)
    published = publish_listing(listing=listing, at=at)
    if is_recorded:
        sequence_batch(at=at)
    return published
