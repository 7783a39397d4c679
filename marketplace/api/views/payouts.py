from uuid import UUID, uuid4

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.payouts import PayoutIn, PayoutOut
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.wallet.gateway.models import Payout
from marketplace.wallet.gateway.services import request_payout


class PayoutListView(APIView):
    @extend_schema(summary="My payouts", parameters=[CURSOR], responses=PayoutOut(many=True))
    def get(self, request: Request) -> Response:
        return paged(request, Payout.objects.filter(user=person_of(request)), PayoutOut, ordering="-requested_at")

    @extend_schema(
        summary="Have earnings paid out",
        description="The account at the payment provider is opened on the page of payouts, once.",
        parameters=[IDEMPOTENCY_KEY],
        request=PayoutIn,
        responses={201: PayoutOut},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        wanted = checked(PayoutIn, request.data)
        payout = request_payout(user=person_of(request), idempotency_key=uuid4(), at=timezone.now(), **wanted)
        return Response(PayoutOut(payout).data, status=201)


class PayoutView(APIView):
    @extend_schema(summary="One of my payouts", responses=PayoutOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        own = Payout.objects.filter(user=person_of(request))
        return Response(PayoutOut(get_object_or_404(own, public_id=public_id)).data)
