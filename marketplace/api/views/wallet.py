from uuid import UUID

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.wallet import OutcomeIn, PostingOut, TopUpIn, TopUpOut, WalletOut
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.wallet.models import Posting, TopUp
from marketplace.wallet.services import account_of, balance_micros, settle_top_up, start_top_up


class WalletView(APIView):
    @extend_schema(summary="My balance", responses=WalletOut)
    def get(self, request: Request) -> Response:
        account = account_of(person_of(request))
        balance = {"balance_micros": balance_micros(account), "currency": account.currency}
        return Response(WalletOut(balance).data)


class StatementView(APIView):
    @extend_schema(summary="Postings of my wallet", parameters=[CURSOR], responses=PostingOut(many=True))
    def get(self, request: Request) -> Response:
        postings = Posting.objects.filter(account=account_of(person_of(request))).select_related("transfer")
        return paged(request, postings, PostingOut, ordering="-transfer_id")


class TopUpListView(APIView):
    @extend_schema(summary="My top-ups", parameters=[CURSOR], responses=TopUpOut(many=True))
    def get(self, request: Request) -> Response:
        return paged(request, TopUp.objects.filter(user=person_of(request)), TopUpOut, ordering="-created_at")

    @extend_schema(summary="Start a top-up", parameters=[IDEMPOTENCY_KEY], request=TopUpIn, responses={201: TopUpOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        top_up = start_top_up(user=person_of(request), at=timezone.now(), **checked(TopUpIn, request.data))
        return Response(TopUpOut(top_up).data, status=201)


class TopUpOutcomeView(APIView):
    @extend_schema(
        summary="Pay or decline at the built-in test provider",
        description="Only where the market runs with the test provider.",
        request=OutcomeIn,
        responses=TopUpOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        if settings.PAYMENT_PROVIDER != "test":
            raise Http404
        top_up = get_object_or_404(TopUp.objects.filter(user=person_of(request)), public_id=public_id)
        return Response(
            TopUpOut(settle_top_up(top_up=top_up, at=timezone.now(), **checked(OutcomeIn, request.data))).data
        )
