from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.models import User
from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.listings import CapIn, RenewalIn
from marketplace.api.serializers.purchases import (
    AccessOut,
    PurchaseIn,
    PurchaseOut,
    RefundOut,
    ReturnOut,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, entry_indices, paged, person_of
from marketplace.delivery.reads.sight import access_facts
from marketplace.delivery.services import buy_and_prepare, ready_pks
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    obstacle_to_refund,
    refund_for_asking,
    refund_on_request,
    set_cap,
    set_renewal,
)
from marketplace.purchases.sight import listings_seen_by

STATE = OpenApiParameter("state", OpenApiTypes.STR, enum=["now"], description="now: only who may read now.")


def bought_by(user: User) -> QuerySet[Purchase]:
    return Purchase.objects.for_buyer(user).select_related("listing__consent", "plan")


def purchase_response(purchase: Purchase, status: int = 200) -> Response:
    return Response(PurchaseOut(purchase, context=_context([purchase])).data, status=status)


def _context(purchases: list[Purchase]) -> dict[str, Any]:
    return {
        "entry_indices": entry_indices(purchase.entry_id for purchase in purchases),
        "ready_pks": ready_pks(purchases),
        "facts": access_facts(purchases, timezone.now()),
    }


class PurchaseListView(APIView):
    @extend_schema(summary="My purchases", parameters=[CURSOR], responses=PurchaseOut(many=True))
    def get(self, request: Request) -> Response:
        purchases = bought_by(person_of(request))
        return paged(request, purchases, PurchaseOut, ordering="-purchased_at", context_of=_context)

    @extend_schema(
        summary="Buy a plan at the price shown",
        parameters=[IDEMPOTENCY_KEY],
        request=PurchaseIn,
        responses={201: PurchaseOut},
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        now, buyer = timezone.now(), person_of(request)
        asked = checked(PurchaseIn, request.data)
        listing = get_object_or_404(listings_seen_by(buyer, now), public_id=asked["listing"])
        plan = get_object_or_404(Plan.objects.filter(listing=listing), public_id=asked["plan"])
        purchase = buy_and_prepare(
            listing=listing, plan=plan, buyer=buyer, quoted_micros=asked["quoted_micros"], at=now
        )
        return purchase_response(purchase, status=201)


class AccessListView(APIView):
    @extend_schema(
        summary="Who may read my data, who did, and what it earned",
        parameters=[CURSOR, STATE],
        responses=AccessOut(many=True),
    )
    def get(self, request: Request) -> Response:
        sold, now = Purchase.objects.of_seller(person_of(request)).begun(), timezone.now()
        if request.query_params.get("state") == "now":
            sold = sold.readable_at(now)
        sold = sold.select_related("listing__consent", "buyer")
        return paged(
            request,
            sold,
            AccessOut,
            ordering="-purchased_at",
            context_of=lambda page: {"facts": access_facts(page, now)},
        )


class PurchaseView(APIView):
    @extend_schema(summary="One of my purchases", responses=PurchaseOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return purchase_response(get_object_or_404(bought_by(person_of(request)), public_id=public_id))


class CapView(APIView):
    @extend_schema(summary="Cap what a month of a metered purchase may cost me", request=CapIn, responses=PurchaseOut)
    def put(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        return purchase_response(set_cap(purchase=purchase, at=timezone.now(), **checked(CapIn, request.data)))


class RenewalView(APIView):
    @extend_schema(summary="Switch a purchase's renewal on or off", request=RenewalIn, responses=PurchaseOut)
    def put(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        return purchase_response(set_renewal(purchase=purchase, at=timezone.now(), **checked(RenewalIn, request.data)))


class PurchaseRefundView(APIView):
    @extend_schema(summary="What comes back if I give a purchase back now", responses=ReturnOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        purchase, now = get_object_or_404(bought_by(person_of(request)), public_id=public_id), timezone.now()
        refusal = obstacle_to_refund(purchase, now)
        back = {
            "refund_micros": 0 if refusal else refund_for_asking(purchase, now),
            "currency": purchase.currency,
            "refusal": refusal.code if refusal else None,
        }
        return Response(ReturnOut(back).data)

    @extend_schema(
        summary="Give a purchase back; it opens nothing any more",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: RefundOut},
    )
    @idempotent()
    def post(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        return Response(RefundOut(refund_on_request(purchase=purchase, at=timezone.now())).data, status=201)
