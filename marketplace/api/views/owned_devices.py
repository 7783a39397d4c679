from datetime import timedelta
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.limits import CLAIM_MINUTES
from devices.models import Batch, Device
from devices.readings import read_readings
from devices.services import add_device, issue_claim
from marketplace.accounts.models import User
from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.owned_devices import (
    BatchOut,
    ClaimOut,
    DeviceIn,
    DeviceOut,
    HandoverIn,
    HandoverOut,
    ReadingOut,
    ReadingsQuery,
    TakeoverIn,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.erasure.services import delete_device_readings
from marketplace.handovers.services import accept_device, offer_device, retire_device_with_refunds, withdraw_offer

LONGEST_RANGE = timedelta(days=31)
MOST_READINGS = 50_000


def owned(user: User) -> QuerySet[Device]:
    return Device.objects.owned_by(user).prefetch_related("measures")


class DeviceListView(APIView):
    @extend_schema(summary="My devices", parameters=[CURSOR], responses=DeviceOut(many=True))
    def get(self, request: Request) -> Response:
        return paged(request, owned(person_of(request)), DeviceOut, ordering="-created_at")

    @extend_schema(summary="Add a device", parameters=[IDEMPOTENCY_KEY], request=DeviceIn, responses={201: DeviceOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        fields = checked(DeviceIn, request.data)
        device = add_device(owner=person_of(request), at=timezone.now(), **fields)
        return Response(DeviceOut(device).data, status=201)


class DeviceView(APIView):
    @extend_schema(summary="One of my devices", responses=DeviceOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(DeviceOut(get_object_or_404(owned(person_of(request)), public_id=public_id)).data)


class ClaimListView(APIView):
    @extend_schema(summary="Make a claim code", parameters=[IDEMPOTENCY_KEY], request=None, responses={201: ClaimOut})
    @idempotent(secrets=["code"])
    def post(self, request: Request, public_id: UUID) -> Response:
        now = timezone.now()
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        code = issue_claim(device=device, at=now)
        expires_at = now + timedelta(minutes=CLAIM_MINUTES)
        return Response(ClaimOut({"code": code, "expires_at": expires_at}).data, status=201)


class RetirementView(APIView):
    @extend_schema(
        summary="Retire a device for good",
        description="Consents under which no other device goes on sending end with it, and buyers are refunded.",
        request=None,
        responses=DeviceOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        return Response(DeviceOut(retire_device_with_refunds(device=device, at=timezone.now())).data)


class HandoverView(APIView):
    @extend_schema(
        summary="Offer a device to another owner",
        description="Gives a code, shown once. Whoever owns the address needs it, too. An earlier offer is withdrawn.",
        parameters=[IDEMPOTENCY_KEY],
        request=HandoverIn,
        responses={201: HandoverOut},
    )
    @idempotent(secrets=["code"])
    def post(self, request: Request, public_id: UUID) -> Response:
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        offer, code = offer_device(device=device, at=timezone.now(), **checked(HandoverIn, request.data))
        return Response(HandoverOut({"code": code, "expires_at": offer.expires_at}).data, status=201)

    @extend_schema(summary="Withdraw the offer of a device", request=None, responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        withdraw_offer(device=device, at=timezone.now())
        return Response(status=204)


class TakeoverView(APIView):
    @extend_schema(
        summary="Take over a device with its owner's code",
        description="At once and for good: the former owner's consents over it end, and buyers are refunded. What it "
        "measured before stays with the former owner.",
        request=TakeoverIn,
        responses={201: DeviceOut},
    )
    def post(self, request: Request) -> Response:
        fields = checked(TakeoverIn, request.data)
        return Response(DeviceOut(accept_device(user=person_of(request), at=timezone.now(), **fields)).data, status=201)


class BatchListView(APIView):
    @extend_schema(summary="Signed batches of a device", parameters=[CURSOR], responses=BatchOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        batches = Batch.objects.filter(device=device).without_envelope()
        return paged(request, batches, BatchOut, ordering="-sequence")


class ReadingListView(APIView):
    @extend_schema(
        summary="Delete every reading of a device",
        description="For good, with the signed envelopes and the files that were made of them. Consents over the "
        "device end, and buyers are refunded. What it sends from then on is kept.",
        responses={200: DeviceOut},
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        delete_device_readings(device=device, at=timezone.now())
        return Response(DeviceOut(get_object_or_404(owned(person_of(request)), public_id=public_id)).data)

    @extend_schema(
        summary="Readings of one measure",
        description="At most 31 days and 50,000 readings in one answer, oldest first.",
        parameters=[ReadingsQuery],
        responses=ReadingOut(many=True),
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        asked = checked(ReadingsQuery, request.query_params)
        if not timedelta(0) < asked["until"] - asked["start"] <= LONGEST_RANGE:
            raise ValidationError({"until": ["It must come after start, at most 31 days later."]})
        device = get_object_or_404(owned(person_of(request)), public_id=public_id)
        readings = read_readings(device, names=[asked["measure"]], start=asked["start"], until=asked["until"])
        return Response({"results": ReadingOut(readings.head(MOST_READINGS).to_dicts(), many=True).data})
