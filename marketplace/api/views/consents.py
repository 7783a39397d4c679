from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.models import Device
from marketplace.accounts.models import User
from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.consents import ConsentIn, ConsentOut, PurposeOut, TermsIn
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, entry_indices, paged, person_of
from marketplace.consents.errors import DeviceNotUsable, RenewalUnknown
from marketplace.consents.models import Consent
from marketplace.consents.purposes import PURPOSES
from marketplace.consents.services import Terms, grant_consent
from marketplace.delivery.services import narrow_and_rebuild
from marketplace.purchases.services import withdraw_consent_with_refunds


def granted_by(user: User) -> QuerySet[Consent]:
    return Consent.objects.filter(owner=user).select_related("renews").prefetch_related("consent_devices__device")


def consent_response(consent: Consent, status: int = 200) -> Response:
    return Response(ConsentOut(consent, context=_context([consent])).data, status=status)


def _context(consents: list[Consent]) -> dict[str, Any]:
    return {"entry_indices": entry_indices(consent.entry_id for consent in consents)}


class PurposeListView(APIView):
    @extend_schema(summary="Purposes that a consent can allow", responses=PurposeOut(many=True))
    def get(self, request: Request) -> Response:
        return Response({"results": PurposeOut(PURPOSES, many=True).data})


class ConsentListView(APIView):
    @extend_schema(summary="My consents", parameters=[CURSOR], responses=ConsentOut(many=True))
    def get(self, request: Request) -> Response:
        consents = granted_by(person_of(request))
        return paged(request, consents, ConsentOut, ordering="-granted_at", context_of=_context)

    @extend_schema(
        summary="Grant a consent", parameters=[IDEMPOTENCY_KEY], request=ConsentIn, responses={201: ConsentOut}
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        owner = person_of(request)
        terms = checked(ConsentIn, request.data)
        ids = list(dict.fromkeys(terms.pop("devices")))
        found = {device.public_id: device for device in Device.objects.owned_by(owner).filter(public_id__in=ids)}
        if len(found) != len(ids):
            raise DeviceNotUsable
        devices = [found[public_id] for public_id in ids]
        renews = _renewed(owner, terms.pop("renews"))
        consent = grant_consent(owner=owner, devices=devices, renews=renews, at=timezone.now(), **terms)
        return consent_response(consent, status=201)


def _renewed(owner: User, public_id: UUID | None) -> Consent | None:
    if public_id is None:
        return None
    earlier = granted_by(owner).filter(public_id=public_id).first()
    if earlier is None:
        raise RenewalUnknown
    return earlier


class ConsentView(APIView):
    @extend_schema(summary="One of my consents", responses=ConsentOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return consent_response(get_object_or_404(granted_by(person_of(request)), public_id=public_id))


class ConsentWithdrawalView(APIView):
    @extend_schema(
        summary="Withdraw a consent for good",
        description="Every token, link and listing that stands on it refuses from the next request on.",
        request=None,
        responses=ConsentOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        consent = get_object_or_404(granted_by(person_of(request)), public_id=public_id)
        return consent_response(withdraw_consent_with_refunds(consent=consent, at=timezone.now()))


class ConsentNarrowingView(APIView):
    @extend_schema(
        summary="Allow less from now on",
        description="Buyers of before may leave with the unused part of what they paid. To allow more, grant anew.",
        request=TermsIn,
        responses=ConsentOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        consent = get_object_or_404(granted_by(person_of(request)), public_id=public_id)
        terms = replace(Terms.of(consent), **checked(TermsIn, request.data))
        return consent_response(narrow_and_rebuild(consent=consent, terms=terms, at=timezone.now()))
