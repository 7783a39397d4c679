"""From a new device to the moment at which it holds its key."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from devices.errors import DeviceError
from devices.models import Device
from devices.services import add_device
from marketplace.web.forms.devices import DeviceForm
from marketplace.web.forms.refusals import REFUSALS, add_refusal
from marketplace.web.owner.claims import make_claim, status_context
from marketplace.web.owner.device_facts import device_row
from marketplace.web.requests import OwnerRequest


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def device_add(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    form = DeviceForm(request.POST or None, home_country=request.user.country)
    if request.method == "POST" and form.is_valid():
        try:
            device = add_device(owner=request.user, at=now, **form.cleaned_data)
            make_claim(request, device=device, at=now)
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            return redirect("device_page", public_id=device.public_id)
    return render(request, "owner/devices/add.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
@login_required
def device_claim(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    try:
        make_claim(request, device=device, at=now)
    except DeviceError as error:
        context = {"device": device, "row": device_row(device, now), "refusal": error}
        context |= status_context(request, device=device, at=now)
        return render(request, "owner/devices/waiting.html", context, status=422)
    return redirect("device_page", public_id=public_id)


@require_safe
@login_required
@never_cache
def device_status(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Polled by the page of a device until its first readings: 204 while nothing changed."""
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    status = status_context(request, device=device, at=now)
    if status["shown"] and status["shown"] == request.GET.get("shown"):
        return HttpResponse(status=204)
    context = {"device": device, "row": device_row(device, now), **status}
    return render(request, "owner/devices/_status.html", context)
