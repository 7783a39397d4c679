"""Hand a third party the proof that a record is about oneself. Only the owner can, and only after a fresh password."""

from uuid import UUID

from allauth.account.decorators import reauthentication_required
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from devices.models import Device
from ledger.errors import LedgerError
from ledger.models import Entry
from ledger.services import find_entry
from marketplace.accounts.services import enrolment_entry
from marketplace.consents.models import Consent
from marketplace.web.forms.disclosures import DisclosureForm
from marketplace.web.owner.disclosing import (
    Subject,
    chosen,
    disclosure_zip,
    subjects_of_consent,
    subjects_of_device,
)
from marketplace.web.requests import OwnerRequest
from marketplace.web.wording import first_fields_text


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
@never_cache
def consent_disclosure(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    consent = get_object_or_404(Consent, owner=request.user, public_id=public_id)
    crumb = (first_fields_text(consent.fields), _address("consent_page", consent))
    parents = [("Consents", reverse("consent_list")), crumb]
    return _answer(request, find_entry(consent.entry_id), subjects_of_consent(consent), parents)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@reauthentication_required
@never_cache
def device_disclosure(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    device = get_object_or_404(Device.objects.owned_by(request.user), public_id=public_id)
    parents = [("Devices", reverse("device_list")), (device.name, _address("device_page", device))]
    return _answer(request, enrolment_entry(device), subjects_of_device(device), parents)


def _address(name: str, row: Consent | Device) -> str:
    return reverse(name, args=[row.public_id])


def _answer(
    request: OwnerRequest, entry: Entry | None, subjects: list[Subject], parents: list[tuple[str, str]]
) -> HttpResponse:
    form = DisclosureForm(request.POST or None, choices=[(subject.value, subject.label) for subject in subjects])
    if entry is not None and request.method == "POST" and form.is_valid():
        try:
            content = disclosure_zip(
                entry,
                chosen(subjects, form.cleaned_data["subject"]),
                log_address=request.build_absolute_uri("/log/"),
                policy_address=request.build_absolute_uri("/log/policy"),
                at=timezone.now(),
            )
        except LedgerError as error:
            form.add_error(None, str(error))
        else:
            response = HttpResponse(content, content_type="application/zip")
            response["Content-Disposition"] = f'attachment; filename="disclosure-of-entry-{entry.index}.zip"'
            return response
    context = {"form": form, "entry": entry, "parents": parents, "parent": parents[-1]}
    is_refused = request.method == "POST"
    return render(request, "owner/disclosure.html", context, status=422 if is_refused else 200)
