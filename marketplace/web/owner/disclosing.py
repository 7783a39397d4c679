"""One record that an owner shows to a third party: the receipt, and the key that says whose handle stands in it."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from devices.models import Device
from ledger.disclosures import Disclosure
from ledger.models import Entry
from ledger.receipt_building import receipt_for
from ledger.receipts import SUFFIX
from ledger.services import disclose_subject
from marketplace.consents.models import Consent

_READ_ME = """\
This shows that the {kind} {subject} stands in entry {index} of the log {address}.

1. Get the log's policy, whose signatures you want to trust: {policy}
2. With Python and PyNaCl, from the market's source code:

   python -m ledger.verify entry-{index}{suffix} --policy policy --disclosure disclosure.json

Keep disclosure.json to yourself. Whoever has it can find every entry about this {kind}, past and future.
"""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom or what a record names. value: how the form says it."""

    value: str
    label: str
    kind: str
    subject_id: UUID


def subjects_of_consent(consent: Consent) -> list[Subject]:
    members = consent.consent_devices.select_related("device")
    devices = [Subject(row.pseudonym, row.device.name, "device", row.device.public_id) for row in members]
    return [*devices, Subject("owner", "You, who granted it", "person", consent.owner.public_id)]


def subjects_of_device(device: Device) -> list[Subject]:
    keys = device.keys.order_by("-created_at")[:1]
    return [
        Subject("device", device.name, "device", device.public_id),
        *(Subject("key", "Its public key", "device_key", UUID(bytes=bytes(key.key_id))) for key in keys),
        Subject("owner", "You, who enrolled it", "person", device.owner.public_id),
    ]


def chosen(subjects: Sequence[Subject], value: str) -> Subject:
    return next(subject for subject in subjects if subject.value == value)


def disclosure_zip(entry: Entry, subject: Subject, *, log_address: str, policy_address: str, at: datetime) -> bytes:
    """Return a zip of the receipt, the disclosure and a note on how to check them. Raises LedgerError."""
    disclosure: Disclosure = disclose_subject(kind=subject.kind, subject_id=subject.subject_id)
    note = _READ_ME.format(
        kind=subject.kind.replace("_", " "),
        subject=subject.subject_id,
        index=entry.index,
        address=log_address,
        policy=policy_address,
        suffix=SUFFIX,
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"entry-{entry.index}{SUFFIX}", receipt_for(entry, at=at))
        file.writestr("disclosure.json", disclosure.text())
        file.writestr("read-me.txt", note)
    return target.getvalue()
