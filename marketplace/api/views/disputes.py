from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.disputes import AnswerIn, DisputeIn, DisputeOut
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import answer_dispute, close_dispute, open_dispute
from marketplace.purchases.models import Purchase


def disputes_seen_by(request: Request) -> QuerySet[Dispute]:
    found = Dispute.objects.involving(person_of(request))
    return found.select_related("purchase__listing__seller", "purchase__buyer", "refund")


class DisputeListView(APIView):
    @extend_schema(
        summary="Disputes that I opened or that are about my data",
        parameters=[CURSOR],
        responses=DisputeOut(many=True),
    )
    def get(self, request: Request) -> Response:
        return paged(request, disputes_seen_by(request), DisputeOut, ordering="-opened_at")


class DisputeView(APIView):
    @extend_schema(summary="One of them", responses=DisputeOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(DisputeOut(get_object_or_404(disputes_seen_by(request), public_id=public_id)).data)


class DisputeOpeningView(APIView):
    @extend_schema(
        summary="Say that something is wrong with a purchase of mine",
        description="What is on hold is neither released nor refunded until it is decided.",
        parameters=[IDEMPOTENCY_KEY],
        request=DisputeIn,
        responses={201: DisputeOut},
    )
    @idempotent()
    def post(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(Purchase.objects.for_buyer(person_of(request)), public_id=public_id)
        dispute = open_dispute(purchase=purchase, at=timezone.now(), **checked(DisputeIn, request.data))
        return Response(DisputeOut(dispute).data, status=201)


class DisputeAnswerView(APIView):
    @extend_schema(summary="Answer a dispute about my data, once", request=AnswerIn, responses=DisputeOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        own = disputes_seen_by(request).filter(purchase__listing__seller=person_of(request))
        dispute = get_object_or_404(own, public_id=public_id)
        answered = answer_dispute(dispute=dispute, at=timezone.now(), **checked(AnswerIn, request.data))
        return Response(DisputeOut(answered).data)


class DisputeClosingView(APIView):
    @extend_schema(summary="Take a dispute of mine back", request=None, responses=DisputeOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        own = disputes_seen_by(request).filter(purchase__buyer=person_of(request))
        dispute = get_object_or_404(own, public_id=public_id)
        return Response(DisputeOut(close_dispute(dispute=dispute, at=timezone.now())).data)
