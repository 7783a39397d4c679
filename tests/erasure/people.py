"""sara as the market knows her before she leaves: everything that a person can leave in it, through the services."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID, uuid4

from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from nacl.signing import SigningKey

from devices.models import Device, DeviceKey
from devices.proof import proof_message
from devices.services import add_device, issue_claim, issue_nonce
from ledger.models import CommitmentSecret
from ledger.services import sequence_batch
from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key, enrol_owned_device
from marketplace.api.models import IdempotentRequest
from marketplace.delivery.models import Read
from marketplace.delivery.services import files_for, record_read
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import release_earnings
from marketplace.wallet.services import move_earnings
from tests.builders import EURO, make_consent, make_draft, make_listing
from tests.builders_delivery import SigningDevice, buy_token, day_start, minutes
from tests.builders_money import fill_wallet

NAME = "Sara Seller-Name"


@dataclass
class Traces:
    """What named sara before. needles: as text, each with the reason why it must be gone."""

    listing: object
    sender: SigningDevice
    token_of_ben: str
    token_of_sara: str
    needles: dict[str, str]
    handles: list[str]


def enrol(owner: User, at: datetime, name: str) -> SigningDevice:
    device = add_device(owner=owner, name=name, kind="weather_station", country="DE", region="Kreuzberg", at=at)
    code = issue_claim(device=device, at=at)
    key, nonce = SigningKey.generate(), issue_nonce(code=code, at=at)
    proof = key.sign(proof_message(nonce, code, bytes(key.verify_key))).signature
    return SigningDevice(
        enrol_owned_device(code=code, public_key=bytes(key.verify_key), proof=proof, nonce=nonce, at=at), key
    )


def live_here(sara: User, ben: User, at: datetime) -> Traces:
    sara.display_name = NAME
    sara.save(update_fields=["display_name"])
    sender = enrol(sara, at, "Rooftop of Sara")
    enrol(sara, at, "Balcony of Sara")
    add_device(owner=sara, name="Waiting of Sara", kind="other", country="DE", region="Kreuzberg", at=at)
    sender.send(minutes(day_start(at, 1) + timedelta(hours=10), 60), at)
    consent = make_consent(sara, at, devices=[sender.device])
    listing = make_listing(sara, at, consent=consent, plans=[PlanTerms("one_off", 5 * EURO)])
    make_listing(sara, at, consent=consent, title="Never sold")
    make_draft(sara, at, consent=consent, title="Never published")
    fill_wallet(ben, 5, at)
    _, token_of_ben = buy_token(listing, ben, at)
    grant = authorise(token=token_of_ben, at=at)
    files = files_for(grant, version=1)
    record_read(grant=grant, door=Read.Door.DELTA_SHARING, files=files, at=at)
    token_of_sara = _buy_of(ben, sara, at)
    secrets = _leave_more(sara, ben, at)
    sequence_batch(at=at)
    needles, handles = _needles(sara)
    texts = {"waiting of sara": "a device's name", token_of_sara: "a token", token_of_sara[:10]: "a token's start"}
    texts |= {
        sha256(token_of_sara.encode()).hexdigest(): "a token's hash",
        "kreuzberg": "a place",
        "5ca1ab1e": "a passkey",
    }
    return Traces(listing, sender, token_of_ben, token_of_sara, needles | texts | secrets, handles)


def _buy_of(seller: User, buyer: User, at: datetime) -> str:
    """Spend all that the buyer has: 4.60 of the sale, and 1 topped up."""
    release_earnings(at=at + timedelta(days=14))
    move_earnings(user=buyer, amount_micros=4_600_000, idempotency_key=uuid4(), at=at)
    fill_wallet(buyer, 1, at)
    other = make_listing(seller, at, plans=[PlanTerms("one_off", 5_600_000)], title="Another roof")
    return buy_token(other, buyer, at)[1]


def _leave_more(sara: User, ben: User, at: datetime) -> dict[str, str]:
    _, key = create_api_key(user=sara, name="Sara's laptop", at=at)
    Authenticator.objects.create(user=sara, type=Authenticator.Type.WEBAUTHN, data={"credential": "5ca1ab1e"})
    make_consent(ben, at, audience="named", buyer_emails=[sara.email])
    IdempotentRequest.objects.create(
        user=sara, key="k", request_hash=b"x" * 32, body=sara.email.encode(), created_at=at
    )
    staff = User.objects.create_user("staff@example.test", is_staff=True)
    LogEntry.objects.create(
        user=staff,
        content_type=ContentType.objects.get_for_model(User),
        object_id=str(sara.pk),
        object_repr=sara.email,
        action_flag=CHANGE,
    )
    for content in ({"_auth_user_id": str(sara.pk)}, {"account_email_verification_code": {"email": sara.email}}):
        session = SessionStore()
        session.update(content)
        session.save()
    mail.send_mail("Hello", "A letter.", None, [sara.email])
    return {key: "an API key", key[:14]: "an API key's start", "sara's laptop": "an API key's name"}


def _needles(sara: User) -> tuple[dict[str, str], list[str]]:
    needles = {sara.email: "the address", NAME.lower(): "the name", "rooftop of sara": "a device's name"}
    needles |= _id_texts(sara.public_id, "the account's id")
    subjects: list[tuple[str, UUID]] = [("person", sara.public_id)]
    for device in Device.objects.filter(owner=sara):
        needles |= _id_texts(device.public_id, "a device's id")
        subjects.append(("device", device.public_id))
    for key in DeviceKey.objects.filter(device__owner=sara):
        needles[bytes(key.public_key).hex()] = "a device's public key"
        needles[bytes(key.key_id).hex()] = "a device's key id"
        subjects.append(("device_key", UUID(bytes=bytes(key.key_id))))
    handles = []
    for kind, subject_id in subjects:
        secret = CommitmentSecret.objects.filter(subject_kind=kind, subject_id=subject_id).first()
        if secret is not None:
            needles[bytes(secret.secret).hex()] = f"the key of a {kind}"
            message = f"{kind}:{subject_id}".encode()
            handles.append(hmac.new(bytes(secret.secret), message, sha256).hexdigest())
    return needles, handles


def _id_texts(public_id: UUID, what: str) -> dict[str, str]:
    return {str(public_id): what, public_id.hex: what}
