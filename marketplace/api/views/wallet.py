from uuid import UUID, uuid4

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.wallet import (
    EarningsMoveIn,
    OutcomeIn,
    PostingOut,
    TopUpIn,
    TopUpOut,
    TransferOut,
    WalletOut,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.wallet.gateway.services import pay_at_test_provider
from marketplace.wallet.models import OWNED_KINDS, Account, Posting, TopUp
from marketplace.wallet.services import (
    account_of,
    accounts_of,
    balance_micros,
    move_earnings,
    start_top_up,
)

ACCOUNT = OpenApiParameter("account", OpenApiTypes.STR, enum=OWNED_KINDS, description="wallet when left out.")


class WalletView(APIView):
    @extend_schema(summary="My balance", responses=WalletOut)
    def get(self, request: Request) -> Response:
        person = person_of(request)
        wallet, payable, escrow = accounts_of(owned=[(person, kind) for kind in OWNED_KINDS])
        balance = {
            "balance_micros": balance_micros(wallet),
            "earned_micros": balance_micros(payable),
            "on_hold_micros": balance_micros(escrow),
            "currency": wallet.currency,
        }
        return Response(WalletOut(balance).data)


class StatementView(APIView):
    @extend_schema(
        summary="Postings of my wallet, my earnings (payable) or what is on hold (escrow)",
        parameters=[CURSOR, ACCOUNT],
        responses=PostingOut(many=True),
    )
    def get(self, request: Request) -> Response:
        kind = request.query_params.get("account", Account.Kind.WALLET)
        if kind not in OWNED_KINDS:
            raise Http404
        account = account_of(person_of(request), kind)
        postings = Posting.objects.filter(account=account).select_related("transfer")
        return paged(request, postings, PostingOut, ordering="-transfer_id")


class EarningsMoveView(APIView):
    @extend_schema(
        summary="Move earnings to my wallet",
        parameters=[IDEMPOTENCY_KEY],
        request=EarningsMoveIn,
        responses={201: TransferOut},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        wanted = checked(EarningsMoveIn, request.data)
        transfer = move_earnings(user=person_of(request), idempotency_key=uuid4(), at=timezone.now(), **wanted)
        return Response(TransferOut(transfer).data, status=201)


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
        answer = checked(OutcomeIn, request.data)["outcome"]
        return Response(TopUpOut(pay_at_test_provider(top_up=top_up, answer=answer, at=timezone.now())).data)
