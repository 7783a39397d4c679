"""What an owner's pages say about devices, with few queries."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from devices.models import Device
from ledger.errors import SubjectUnknown
from ledger.models import Entry
from ledger.services import disclose_subject, final_size
from marketplace.accounts.models import User
from marketplace.countries import country_name
from marketplace.web.records import WAITING, event, newest_first, recorded_seal, seals_of
from marketplace.web.seals import Seal
from marketplace.web.wording import first_fields_text

SILENT_AFTER = timedelta(hours=24)
ICONS = {
    Device.Kind.WEATHER_STATION: "cloud-sun",
    Device.Kind.SMART_METER: "zap",
    Device.Kind.AIR_QUALITY: "wind",
    Device.Kind.CHARGING_POINT: "plug-zap",
    Device.Kind.OTHER: "cpu",
}
STATE_TAGS = {
    Device.State.WAITING: "tag-pending",
    Device.State.ENROLLED: "tag-proven",
    Device.State.RETIRED: "",
    Device.State.HANDED_OVER: "",
}


@dataclass(frozen=True)
class DeviceRow:
    device: Device
    place: str
    icon: str
    state_tag: str
    is_silent: bool


def place_text(device: Device) -> str:
    return ", ".join(part for part in (device.region, country_name(device.country)) if part)


def is_silent(device: Device, at: datetime) -> bool:
    """Whether an enrolled device has not been heard of for a day."""
    if device.state != Device.State.ENROLLED:
        return False
    heard_at = device.last_seen_at or device.enrolled_at
    return heard_at is not None and at - heard_at > SILENT_AFTER


def device_row(device: Device, at: datetime) -> DeviceRow:
    return DeviceRow(
        device,
        place_text(device),
        ICONS.get(Device.Kind(device.kind), "cpu"),
        STATE_TAGS[device.state],
        is_silent(device, at),
    )


def silent_devices(user: User, at: datetime) -> list[Device]:
    enrolled: QuerySet[Device, Any] = Device.objects.owned_by(user).enrolled()
    return [device for device in enrolled.order_by("last_seen_at") if is_silent(device, at)]


def device_timeline(device: Device) -> list[dict[str, Any]]:
    """What happened to a device, newest first."""
    consents = list(device.consents.all())
    seals = seals_of(entry_id for consent in consents for entry_id in (consent.entry_id, consent.withdrawal_entry_id))
    events = [event("Added", device.created_at)]
    if device.enrolled_at:
        is_new = device.taken_over_at is None
        note = "It proved that it holds its private key." if is_new else "Taken over under the key that it has."
        events.append(event("Enrolled", device.enrolled_at, note=note, seal=life_seal(device, "device.enrolled")))
    for consent in consents:
        title = f"Consent granted: {first_fields_text(consent.fields)}"
        events.append(event(title, consent.granted_at, seal=seals[consent.entry_id]))
        if consent.withdrawn_at:
            title = f"Consent withdrawn: {first_fields_text(consent.fields)}"
            events.append(event(title, consent.withdrawn_at, seal=seals[consent.withdrawal_entry_id]))
    if device.readings_deleted_at:
        seal = life_seal(device, "device.readings_deleted")
        note = "What it had sent until then is gone."
        events.append(event("Readings deleted", device.readings_deleted_at, note=note, seal=seal))
    if device.handed_over_at:
        seal = life_seal(device, "device.handed_over")
        events.append(event("Handed over", device.handed_over_at, note="It has another owner from then on.", seal=seal))
    if device.retired_at:
        note = "Its key is refused from then on."
        events.append(event("Retired", device.retired_at, note=note, seal=life_seal(device, "device.retired")))
    return newest_first(events)


def life_seal(device: Device, kind: str) -> Seal | None:
    """The seal of the newest entry of a kind about the device, found by the handle, by which alone the log knows it."""
    try:
        handle = disclose_subject(kind="device", subject_id=device.public_id).handle
    except SubjectUnknown:
        return WAITING
    entries = Entry.objects.filter(kind=kind, refs__contains=[handle]).order_by("-index")
    index = entries.values_list("index", flat=True).first()
    return WAITING if index is None else recorded_seal(index, is_final=index < final_size())


def device_address(device: Device) -> str:
    return reverse("device_page", args=[device.public_id])
