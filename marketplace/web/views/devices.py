from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from devices.errors import DeviceError
from devices.models import Device
from marketplace.consents.models import Consent
from marketplace.erasure.errors import ErasureError
from marketplace.erasure.services import delete_device_readings, has_readings
from marketplace.handovers.models import HandoverOffer
from marketplace.handovers.services import (
    consents_ended_by_handover,
    consents_ended_by_retirement,
    retire_device_with_refunds,
)
from marketplace.web.owner.batches import batch_rows
from marketplace.web.owner.claims import status_context
from marketplace.web.owner.device_facts import device_row, device_timeline
from marketplace.web.owner.endings import endings
from marketplace.web.owner.permissions import permission_rows
from marketplace.web.owner.series import (
    CHARTS_AT_FIRST,
    chart_span,
    chosen_range,
    measure_chart,
    range_links,
)
from marketplace.web.owner.totals import device_totals
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest

DEVICES_A_PAGE = 50
BATCHES_AT_FIRST = 5


@require_safe
@login_required
def device_list(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    owned = Device.objects.owned_by(request.user)
    page = page_by_time(owned, column="created_at", mark=request.GET.get("from", ""), size=DEVICES_A_PAGE)
    rows = [device_row(device, now) for device in page.rows]
    return render(request, "owner/devices/list.html", {"rows": rows, "page": page})


@require_safe
@login_required
def device_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    context = {"device": device, "row": device_row(device, now), "events": device_timeline(device)}
    context |= status_context(request, device=device, at=now)
    if device.state == Device.State.WAITING:
        return render(request, "owner/devices/waiting.html", context)
    permissions = permission_rows(Consent.objects.filter(devices=device), at=now)
    context |= {
        "key_hex": key_hex(device),
        "permissions": [row for row in permissions if row["is_active"]],
        "earlier_permissions": [row for row in permissions if not row["is_active"]],
        "batches": batch_rows(device, size=BATCHES_AT_FIRST),
        "offer": HandoverOffer.objects.standing_at(now).filter(device=device).first(),
        "totals": device_totals(device),
        **chart_context(request, device),
    }
    return render(request, "owner/devices/page.html", context)


def key_hex(device: Device) -> str:
    key = device.keys.order_by("-created_at").first()
    return bytes(key.public_key).hex() if key else ""


def chart_context(request: OwnerRequest, device: Device) -> dict[str, object]:
    """The charts that the address asks for: the first few measures, or all of them."""
    shows_all = request.GET.get("measures") == "all"
    measures = list(device.measures.all())
    shown = measures if shows_all else measures[:CHARTS_AT_FIRST]
    range_name = chosen_range(request.GET)
    span = chart_span(device_totals(device), range_name, timezone.now())
    return {
        "charts": [measure_chart(device, measure, span) for measure in shown],
        "ranges": range_links(range_name, measures="all" if shows_all else ""),
        "range_name": range_name,
        "hidden_count": len(measures) - len(shown),
    }


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def device_readings_deletion(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    context: dict[str, object] = {"device": device, "has_readings": has_readings(device)}
    if request.method == "POST":
        try:
            emptied = delete_device_readings(device=device, at=now)
        except ErasureError as error:
            context["refusal"] = error
            return render(request, "owner/devices/readings_deletion.html", context, status=422)
        readings = f"{emptied.reading_count:,} reading{'' if emptied.reading_count == 1 else 's'}"
        messages.success(request, f"{readings} of {device.name} are deleted.")
        return redirect("device_page", public_id=public_id)
    ended = list(consents_ended_by_handover(device, now).prefetch_related("named_buyers", "devices"))
    context |= {**endings(ended, device=device, at=now), "totals": device_totals(device)}
    return render(request, "owner/devices/readings_deletion.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def device_retirement(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    context: dict[str, object] = {"device": device, "row": device_row(device, now)}
    if request.method == "POST":
        try:
            retire_device_with_refunds(device=device, at=now)
        except DeviceError as error:
            context["refusal"] = error
            return render(request, "owner/devices/retirement.html", context, status=422)
        messages.success(request, f"{device.name} is retired. Its key is refused from now on.")
        return redirect("device_page", public_id=public_id)
    touched = consents_ended_by_handover(device, now).count()
    ended = list(consents_ended_by_retirement(device, now).prefetch_related("named_buyers", "devices"))
    context |= {**endings(ended, device=device, at=now), "kept_count": touched - len(ended)}
    return render(request, "owner/devices/retirement.html", context)
