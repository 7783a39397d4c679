"""Short ways to a device that signs, a listing with data, and a bought token, all through the services."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from nacl.signing import SigningKey

from devices.envelope import SENML_JSON, sign_envelope
from devices.models import Device
from devices.proof import proof_message
from devices.services import accept_batch, add_device, enrol_device, issue_claim, issue_nonce
from ledger.services import sequence_batch
from marketplace.access.models import AccessToken
from marketplace.access.services import issue_token
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from tests.builders import make_consent, make_listing

FREE = PlanTerms("free", 0)
Reading = tuple[datetime, str, float]


@dataclass
class SigningDevice:
    """A device with its key in hand, as only the device itself has it."""

    device: Device
    key: SigningKey
    sequence: int = field(default=0)

    def send(self, readings: Iterable[Reading], at: datetime, units: dict[str, str] | None = None) -> None:
        unit_of = {"air_temperature": "Cel", "humidity": "%RH"} | (units or {})
        records = [
            {"n": name, "u": unit_of.get(name, "Cel"), "t": time.timestamp(), "v": value}
            for time, name, value in readings
        ]
        self.sequence += 1
        accept_batch(
            envelope=sign_envelope(
                key=self.key,
                content_type=SENML_JSON,
                payload=json.dumps(records).encode(),
                issued_at=int(at.timestamp()),
                sequence=self.sequence,
            ),
            at=at,
        )


def make_signing_device(owner: User, at: datetime, name: str = "Roof") -> SigningDevice:
    device = add_device(owner=owner, name=name, kind="weather_station", country="DE", region="Berlin", at=at)
    code = issue_claim(device=device, at=at)
    key, nonce = SigningKey.generate(), issue_nonce(code=code, at=at)
    public_key = bytes(key.verify_key)
    proof = key.sign(proof_message(nonce, code, public_key)).signature
    return SigningDevice(enrol_device(code=code, public_key=public_key, proof=proof, nonce=nonce, at=at), key)


def minutes(start: datetime, count: int, name: str = "air_temperature") -> list[Reading]:
    """Readings a minute apart; the values need all of a double's digits."""
    return [(start + timedelta(minutes=number), name, 20 + number / 7) for number in range(count)]


def day_start(at: datetime, days_before: int = 0) -> datetime:
    return datetime(at.year, at.month, at.day, tzinfo=UTC) - timedelta(days=days_before)


def make_stocked_listing(
    seller: User,
    at: datetime,
    *,
    readings: Sequence[Reading] | None = None,
    plans: Sequence[PlanTerms] = (FREE,),
    **terms: Any,
) -> tuple[SigningDevice, Listing]:
    """A live listing of one device that has sent readings; without any given, an hour of yesterday."""
    sender = make_signing_device(seller, at)
    sender.send(readings or minutes(day_start(at, 1) + timedelta(hours=10), 60), at)
    consent: Consent = make_consent(seller, at, devices=[sender.device], **terms)
    listing = make_listing(seller, at, consent=consent, plans=plans)
    return sender, listing


def buy(listing: Listing, buyer: User, at: datetime, *, is_recorded: bool = True) -> Purchase:
    plan = listing.plans.get()
    purchase = buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at)
    if is_recorded:
        sequence_batch(at=at)
    return purchase


def buy_token(listing: Listing, buyer: User, at: datetime) -> tuple[AccessToken, str]:
    """Buy, have the sale recorded and the table refreshed, and take a token."""
    purchase = buy(listing, buyer, at)
    refresh_table(listing=listing, at=at)
    return issue_token(purchase=purchase, at=at)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
