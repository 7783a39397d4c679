"""The claim code between the page that made it and the page that shows it.

The database keeps only its hash, so the plain code waits in the owner's session until it is used or too old.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import segno
from django.http import HttpRequest
from django.utils.text import slugify

from devices.limits import CLAIM_MINUTES
from devices.models import Batch, Device
from devices.services import issue_claim

SESSION_KEY = "claim_codes"
LONGEST_SLUG = 24
# The project's own Python: another one lacks the device's packages.
AGENT = ".venv/bin/python -m devices.agent"


@dataclass(frozen=True)
class ShownClaim:
    code: str
    expires_at: datetime
    enrol_command: str
    qr_source: str


def make_claim(request: HttpRequest, *, device: Device, at: datetime) -> None:
    """Issue a code and keep it for the device's page; codes of other devices that are too old are dropped."""
    code = issue_claim(device=device, at=at)
    expires_at = at + timedelta(minutes=CLAIM_MINUTES)
    kept: dict[str, Any] = {
        public_id: claim
        for public_id, claim in request.session.get(SESSION_KEY, {}).items()
        if datetime.fromisoformat(claim["expires_at"]) > at
    }
    kept[str(device.public_id)] = {"code": code, "expires_at": expires_at.isoformat()}
    request.session[SESSION_KEY] = kept


def shown_claim(request: HttpRequest, *, device: Device, at: datetime) -> ShownClaim | None:
    kept = request.session.get(SESSION_KEY, {}).get(str(device.public_id))
    if kept is None or datetime.fromisoformat(kept["expires_at"]) <= at:
        return None
    place = f"--state {state_folder(device)}"
    command = f"{AGENT} enrol --server {server_address(request)} {place} --code {kept['code']}"
    return ShownClaim(
        code=kept["code"],
        expires_at=datetime.fromisoformat(kept["expires_at"]),
        enrol_command=command,
        qr_source=segno.make(command, error="m", micro=False).svg_data_uri(scale=4, border=2, xmldecl=False),
    )


def status_context(request: HttpRequest, *, device: Device, at: datetime) -> dict[str, object]:
    """What the way from a claim code to the first readings shows. shown: by which a poll tells that nothing changed."""
    claim = shown_claim(request, device=device, at=at) if device.state == Device.State.WAITING else None
    place = f"--state {state_folder(device)}"
    has_sent = device.state != Device.State.WAITING and Batch.objects.filter(device=device).exists()
    shown = ""
    if device.state == Device.State.WAITING:
        shown = "code" if claim else "no-code"
    elif device.state == Device.State.ENROLLED and not has_sent:
        shown = "enrolled"
    return {
        "claim": claim,
        "claim_minutes": CLAIM_MINUTES,
        "shown": shown,
        "has_sent": has_sent,
        "simulate_command": f"{AGENT} simulate --live {place}",
        "send_command": f"{AGENT} send readings.csv --time time --map temperature=air_temperature:Cel {place}",
    }


def state_folder(device: Device) -> str:
    """A folder of the device's own, as one folder is one device and a person may enrol several on one machine."""
    name = slugify(device.name)[:LONGEST_SLUG].strip("-") or device.kind.replace("_", "-")
    return f"~/.ownstream-devices/{name}-{str(device.public_id)[-8:]}"


def server_address(request: HttpRequest) -> str:
    """Where the device shall send to: the address that the owner's browser uses."""
    parts = urlsplit(request.build_absolute_uri("/"))
    return f"{parts.scheme}://{parts.netloc}"
