"""A device goes to another owner: offered on its page, taken over with a code."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from devices.models import Device
from marketplace.handovers.models import HandoverOffer
from marketplace.handovers.services import (
    accept_device,
    consents_ended_by_handover,
    find_offer,
    offer_device,
    withdraw_offer,
)
from marketplace.web.forms.handovers import HandoverCodeForm, HandoverForm, TakeoverForm
from marketplace.web.forms.refusals import REFUSALS, add_refusal
from marketplace.web.owner.endings import endings
from marketplace.web.requests import OwnerRequest, post_only

CODE_PAGE, TAKEOVER_PAGE = "owner/devices/takeover_code.html", "owner/devices/takeover.html"
FIELD_BY_CODE = {"handover_to_yourself": "email"}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def device_handover(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """The answer itself shows the code, once: a redirect would have to keep it somewhere."""
    now = timezone.now()
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    form, code = HandoverForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _, code = offer_device(device=device, at=now, **form.cleaned_data)
        except REFUSALS as error:
            add_refusal(form, error, FIELD_BY_CODE)
    consents = list(consents_ended_by_handover(device, now).prefetch_related("named_buyers", "devices"))
    context = {
        "device": device,
        "form": form,
        "code": code,
        "offer": HandoverOffer.objects.standing_at(now).filter(device=device).first(),
        **endings(consents, device=device, at=now),
    }
    return render(request, "owner/devices/handover.html", context, status=422 if form.errors else 200)


@post_only("device_handover")
@login_required
def device_handover_withdrawal(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    withdraw_offer(device=device, at=timezone.now())
    messages.success(request, "The offer is withdrawn. Its code opens nothing any more.")
    return redirect("device_page", public_id=public_id)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def device_takeover(request: OwnerRequest) -> HttpResponse:
    """Ask for the code, then show what it gives. The code never stands in an address."""
    form = HandoverCodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"]
        try:
            offer = find_offer(user=request.user, code=code, at=timezone.now())
        except REFUSALS as error:
            add_refusal(form, error, {error.code: "code"})
        else:
            initial = {"code": code, "name": offer.device.get_kind_display()}
            takeover = TakeoverForm(initial=initial, home_country=request.user.country)
            return render(request, TAKEOVER_PAGE, {"form": takeover, "offer": offer})
    return render(request, CODE_PAGE, {"form": form}, status=422 if form.errors else 200)


@post_only("device_takeover")
@login_required
@never_cache
def device_takeover_acceptance(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    form = TakeoverForm(request.POST)
    code = request.POST.get("code", "")
    if form.is_valid():
        try:
            taken = accept_device(user=request.user, at=now, **form.cleaned_data)
        except REFUSALS as error:
            add_refusal(form, error)
        else:
            messages.success(request, f"{taken.name} is yours. What it measures from now on is read by you alone.")
            return redirect("device_page", public_id=taken.public_id)
    try:
        offer = find_offer(user=request.user, code=code, at=now)
    except REFUSALS as error:
        refused = HandoverCodeForm({"code": code})
        add_refusal(refused, error, {error.code: "code"})
        return render(request, CODE_PAGE, {"form": refused}, status=422)
    return render(request, TAKEOVER_PAGE, {"form": form, "offer": offer}, status=422)
