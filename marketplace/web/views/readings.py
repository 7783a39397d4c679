"""The readings of a device as a table; each leads to the signed batch that it came in."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from devices.models import Device
from marketplace.web.owner.reading_rows import parse_before, reading_rows
from marketplace.web.requests import OwnerRequest
from marketplace.web.wording import measure_label, unit_label


@require_safe
@login_required
def device_readings(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    measures = {measure.name: measure for measure in device.measures.all()}
    measure = measures.get(request.GET.get("measure", "")) or next(iter(measures.values()), None)
    context: dict[str, object] = {"device": device, "measure": measure}
    if measure is not None:
        context["page"] = reading_rows(device, measure, before=parse_before(request.GET.get("before", "")))
        context |= {"label": measure_label(measure.name), "unit": unit_label(measure.unit)}
        context["choices"] = [(name, measure_label(name), name == measure.name) for name in measures]
    return render(request, "owner/devices/readings.html", context)
