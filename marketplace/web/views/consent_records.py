"""A consent as a file for others, and the schema that says what such a file holds."""

import json
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from marketplace.consents.models import Consent
from marketplace.consents.services import SCHEMA_FILE, record_of
from marketplace.web.requests import OwnerRequest


@require_safe
@login_required
def consent_record(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """The owner's record of a consent as JSON-LD."""
    own = Consent.objects.filter(owner=request.user).select_related("owner", "notice", "renews")
    consent = get_object_or_404(own, public_id=public_id)
    address = request.build_absolute_uri(reverse("consent_withdrawal", args=[public_id]))
    record = record_of(consent, withdrawal_address=address, at=timezone.now())
    response = HttpResponse(json.dumps(record, indent=2, ensure_ascii=False), content_type="application/ld+json")
    response["Content-Disposition"] = f'attachment; filename="consent-{public_id}.jsonld"'
    return response


@require_safe
@cache_control(public=True, max_age=86400)
def consent_schema(request: HttpRequest) -> HttpResponse:
    return HttpResponse(SCHEMA_FILE.read_bytes(), content_type="application/schema+json")
