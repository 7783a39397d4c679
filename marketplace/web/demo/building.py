"""Builds the demo market through the same services that people use. Every step finds what an earlier run made."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.db import transaction
from nacl.signing import SigningKey

from devices.agent.packs import encode_pack
from devices.agent.shapes import samples_at
from devices.envelope import sign_envelope
from devices.models import Batch, Device
from devices.proof import proof_message
from devices.services import accept_batch, add_device, issue_claim, issue_nonce, resolve_batches
from marketplace.accounts.groups import AUDITOR, OPERATOR
from marketplace.accounts.models import BillingProfile, User
from marketplace.accounts.services import declare_billing, enrol_owned_device
from marketplace.wallet.gateway.services import pay_at_test_provider
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import start_top_up
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.demo.script import DemoDevice, DemoPerson

HISTORY = timedelta(days=30)
BATCH_SPAN = timedelta(hours=6)
GROUP_OF = {"auditor": AUDITOR, "operator": OPERATOR}


def ensure_person(person: DemoPerson, password: str, at: datetime) -> User:
    user = User.objects.filter(email=person.email).first()
    if user is None:
        user = User.objects.create_user(
            person.email,
            password,
            display_name=person.display_name,
            country=person.country,
            time_zone=person.time_zone,
            date_joined=at,
            is_staff=person.role in GROUP_OF,
        )
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    if person.role in GROUP_OF:
        user.groups.add(Group.objects.get(name=GROUP_OF[person.role]))
    if person.billing_address and not BillingProfile.objects.filter(user=user).exists():
        declare_billing(
            user=user,
            name=person.display_name,
            address=person.billing_address,
            country=person.country,
            vat_id="",
            at=at,
        )
    if person.top_up_euros and not TopUp.objects.filter(user=user).exists():
        top_up = start_top_up(user=user, amount_micros=person.top_up_euros * MICROS_PER_UNIT, at=at)
        pay_at_test_provider(top_up=top_up, answer="pay", at=at + timedelta(minutes=1))
    return user


class DeviceKeys:
    """The demo devices' own keys, in one file that only its owner reads. Real devices keep theirs to themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seeds: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def key_of(self, name: str) -> SigningKey:
        if name not in self.seeds:
            self.seeds[name] = secrets.token_hex(32)
            write_private(self.path, json.dumps(self.seeds))
        return SigningKey(bytes.fromhex(self.seeds[name]))


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)


def ensure_device(demo: DemoDevice, owner: User, key: SigningKey, at: datetime) -> Device:
    device = Device.objects.owned_by(owner).filter(name=demo.name).first()
    if device is None:
        device = add_device(
            owner=owner, name=demo.name, kind=demo.kind, country=demo.country, region=demo.region, at=at
        )
    if device.state == Device.State.WAITING:
        code = issue_claim(device=device, at=at)
        nonce = issue_nonce(code=code, at=at)
        public_key = bytes(key.verify_key)
        proof = key.sign(proof_message(nonce, code, public_key)).signature
        device = enrol_owned_device(code=code, public_key=public_key, proof=proof, nonce=nonce, at=at)
    return device


@transaction.atomic
def send_history(demo: DemoDevice, device: Device, key: SigningKey, *, until: datetime) -> int:
    """Send signed batches from where the device stopped up to `until`, as it would have sent them. Returns how many."""
    latest = Batch.objects.filter(device=device).order_by("-sequence").values_list("sequence", "received_at").first()
    enrolled_at = device.enrolled_at
    assert enrolled_at is not None
    sequence, begun = latest or (0, enrolled_at)
    sent = 0
    for start, end in spans(begun, until):
        sequence += 1
        payload = encode_pack(readings_between(demo, start, end), form="cbor")
        envelope = sign_envelope(
            key=key,
            content_type="application/senml+cbor",
            payload=payload,
            issued_at=int(end.timestamp()),
            sequence=sequence,
        )
        accept_batch(envelope=envelope, at=end)
        sent += 1
    return sent


def resolve_history(device: Device, at: datetime) -> None:
    resolve_batches(device=device, at=at)


def spans(start: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start + BATCH_SPAN <= until:
        yield start, start + BATCH_SPAN
        start += BATCH_SPAN


def readings_between(demo: DemoDevice, start: datetime, end: datetime) -> list[tuple[float, str, float, str]]:
    """(unix seconds, measure, value, SenML unit) of each sample with start <= time < end."""
    step = demo.every_minutes * 60
    seed = sum(demo.key.encode())
    first = -(-int(start.timestamp()) // step) * step
    return [
        (float(second), name, value, unit)
        for second in range(first, int(end.timestamp()), step)
        for name, value, unit in samples_at(demo.kind, seed=seed, unix_seconds=float(second))
        if not demo.measures or name in demo.measures
    ]


def first_day(now: datetime) -> datetime:
    """Midnight UTC, thirty days ago."""
    return (now - HISTORY).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
