from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from devices.models import Device, Measure
from marketplace.consents.models import Consent
from marketplace.consents.notice import TEXT
from marketplace.consents.services import grant_consent
from marketplace.delivery.services import narrow_and_rebuild
from marketplace.purchases.services import withdraw_consent_with_refunds
from marketplace.web.forms.buyer import read_uuid
from marketplace.web.forms.consents import FIELD_BY_CODE, ConsentForm
from marketplace.web.forms.narrowing import FIELD_BY_CODE as NARROWING_FIELD_BY_CODE
from marketplace.web.forms.narrowing import NarrowingForm
from marketplace.web.forms.refusals import REFUSALS, add_refusal
from marketplace.web.owner.listing_facts import listing_rows
from marketplace.web.owner.permissions import (
    consent_terms,
    consent_timeline,
    rows_of_consents,
    with_results,
    withdrawal_effects,
)
from marketplace.web.paging import page_by_time
from marketplace.web.records import seal_of
from marketplace.web.requests import OwnerRequest
from marketplace.web.wording import first_fields_text

CONSENTS_A_PAGE = 25


def own_consents(request: OwnerRequest) -> QuerySet[Consent, Consent]:
    return with_results(Consent.objects.filter(owner=request.user)).prefetch_related("named_buyers", "devices")


@require_safe
@login_required
def consent_list(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    mark = request.GET.get("from", "")
    page = page_by_time(own_consents(request), column="granted_at", mark=mark, size=CONSENTS_A_PAGE)
    context = {
        "page": page,
        "permissions": rows_of_consents(page.rows, at=now),
        "can_grant": Measure.objects.filter(device__in=Device.objects.owned_by(request.user).ever_enrolled()).exists(),
    }
    return render(request, "owner/consents/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def consent_add(request: OwnerRequest) -> HttpResponse:
    """Grant a consent. With renew=... in the address it follows on an earlier one and begins with its terms."""
    renewed = renewed_consent(request)
    form = ConsentForm(request.POST or None, owner=request.user, initial=initial_terms(request, renewed))
    if request.method == "POST" and form.is_valid():
        try:
            consent = grant_consent(owner=request.user, at=timezone.now(), renews=renewed, **form.terms())
        except REFUSALS as error:
            add_refusal(form, error, FIELD_BY_CODE)
        else:
            messages.success(request, "Your consent is granted. Offer the data under it, or do that later.")
            return redirect("consent_page", public_id=consent.public_id)
    context = {"form": form, "renewed": renewed, "notice": TEXT}
    return render(request, "owner/consents/add.html", context, status=422 if form.errors else 200)


def renewed_consent(request: OwnerRequest) -> Consent | None:
    public_id = read_uuid(request.GET.get("renew"))
    if public_id is None:
        return None
    return Consent.objects.filter(owner=request.user, withdrawn_at=None, public_id=public_id).first()


def initial_terms(request: OwnerRequest, renewed: Consent | None) -> dict[str, object]:
    """Purposes are never ticked beforehand: each is said anew."""
    if renewed is None:
        return {"devices": Device.objects.owned_by(request.user).filter(public_id__in=device_ids(request))}
    return {
        "devices": renewed.devices.all(),
        "fields_allowed": renewed.fields,
        "resolution": renewed.resolution,
        "delay_seconds": renewed.delay_seconds,
        "records_others": renewed.records_others,
        "audience": renewed.audience,
        "buyer_emails": "\n".join(renewed.named_buyers.values_list("email", flat=True)),
    }


def device_ids(request: OwnerRequest) -> list[UUID]:
    """The devices that the address ticks beforehand; what is no id is left out."""
    try:
        return [UUID(text) for text in request.GET.getlist("device")]
    except ValueError:
        return []


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def consent_narrowing(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    consent = get_object_or_404(own_consents(request), public_id=public_id)
    form = NarrowingForm(request.POST or None, consent=consent)
    if request.method == "POST" and form.is_valid():
        try:
            narrow_and_rebuild(consent=consent, terms=form.terms(), at=now)
        except REFUSALS as error:
            add_refusal(form, error, NARROWING_FIELD_BY_CODE)
        else:
            messages.success(request, "The consent is narrower from now on. Buyers get nothing of before any more.")
            return redirect("consent_page", public_id=public_id)
    context = {**consent_context(consent, now), **withdrawal_effects(consent, at=now), "form": form}
    return render(request, "owner/consents/narrowing.html", context, status=422 if form.errors else 200)


def consent_context(consent: Consent, at: datetime) -> dict[str, object]:
    return {
        "consent": consent,
        "fields_text": first_fields_text(consent.fields),
        "is_active": consent.is_active(at),
        "terms": consent_terms(consent),
        "seal": seal_of(consent.entry_id),
    }


@require_safe
@login_required
def consent_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    consent = get_object_or_404(own_consents(request), public_id=public_id)
    context = {
        **consent_context(consent, now),
        "seal": seal_of(consent.withdrawal_entry_id or consent.entry_id),
        "events": consent_timeline(consent),
        "listings": listing_rows(consent.listings.all(), at=now),
        "currency": settings.MARKET_CURRENCY,
    }
    return render(request, "owner/consents/page.html", context)


@require_safe
@login_required
def consent_receipt(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    consent = get_object_or_404(own_consents(request), public_id=public_id)
    context = {
        **consent_context(consent, now),
        "events": consent_timeline(consent),
        "printed_at": now,
        "checkpoint_address": request.build_absolute_uri(reverse("log_checkpoint")),
    }
    return render(request, "owner/consents/receipt.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def consent_withdrawal(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    now = timezone.now()
    consent = get_object_or_404(own_consents(request), public_id=public_id)
    if request.method == "POST":
        withdraw_consent_with_refunds(consent=consent, at=now)
        messages.success(request, "The consent is withdrawn. Every token under it is refused from now on.")
        return redirect("consent_page", public_id=public_id)
    context = {**consent_context(consent, now), **withdrawal_effects(consent, at=now)}
    context["withdrawal_seal"] = seal_of(consent.withdrawal_entry_id)
    return render(request, "owner/consents/withdrawal.html", context)
