"""A seller's own listings."""

from dataclasses import replace
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.models import User
from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.listings import (
    DraftIn,
    ListingOut,
    NewListingIn,
    OfferIn,
    PlanIn,
    PlanOut,
    PlansIn,
    PriceIn,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.consents.models import Consent
from marketplace.delivery.services import publish_and_prepare
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import (
    add_plans,
    delete_draft,
    draft_listing,
    make_offer,
    retire_plan,
    set_plans,
    terms_of,
    update_draft,
)
from marketplace.purchases.services import reprice_and_tell, withdraw_listing_with_refunds


def sold_by(user: User) -> QuerySet[Listing]:
    return Listing.objects.filter(seller=user).select_related("seller", "consent", "quality").prefetch_related("plans")


def own_listing(request: Request, public_id: UUID) -> Listing:
    return get_object_or_404(sold_by(person_of(request)), public_id=public_id)


class OwnListingListView(APIView):
    @extend_schema(summary="My listings", parameters=[CURSOR], responses=ListingOut(many=True))
    def get(self, request: Request) -> Response:
        return paged(request, sold_by(person_of(request)), ListingOut, ordering="-created_at")

    @extend_schema(
        summary="Draft a listing", parameters=[IDEMPOTENCY_KEY], request=NewListingIn, responses={201: ListingOut}
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        seller = person_of(request)
        fields = checked(NewListingIn, request.data)
        consent = get_object_or_404(Consent.objects.filter(owner=seller), public_id=fields.pop("consent"))
        listing = draft_listing(seller=seller, consent=consent, at=timezone.now(), **fields)
        return Response(ListingOut(listing).data, status=201)


class OwnListingView(APIView):
    @extend_schema(summary="One of my listings", responses=ListingOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(ListingOut(own_listing(request, public_id)).data)

    @extend_schema(summary="Change a draft's texts", request=DraftIn, responses=ListingOut)
    def put(self, request: Request, public_id: UUID) -> Response:
        listing = own_listing(request, public_id)
        return Response(ListingOut(update_draft(listing=listing, **checked(DraftIn, request.data))).data)

    @extend_schema(summary="Delete a draft", responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        delete_draft(listing=own_listing(request, public_id))
        return Response(status=204)


class PlanListView(APIView):
    @extend_schema(summary="Set a draft's plans", request=PlansIn, responses=ListingOut)
    def put(self, request: Request, public_id: UUID) -> Response:
        terms = [PlanTerms(**plan) for plan in checked(PlansIn, request.data)["plans"]]
        set_plans(listing=own_listing(request, public_id), plans=terms)
        return Response(ListingOut(own_listing(request, public_id)).data)

    @extend_schema(
        summary="Sell a published listing in one more way",
        parameters=[IDEMPOTENCY_KEY],
        request=PlanIn,
        responses={201: PlanOut},
    )
    @idempotent()
    def post(self, request: Request, public_id: UUID) -> Response:
        terms = PlanTerms(**checked(PlanIn, request.data))
        (plan,) = add_plans(listing=own_listing(request, public_id), plans=[terms], at=timezone.now())
        return Response(PlanOut(plan).data, status=201)


class PriceView(APIView):
    @extend_schema(summary="Ask another price from now on", request=PriceIn, responses=PlanOut)
    def put(self, request: Request, public_id: UUID, plan_id: UUID) -> Response:
        plan = get_object_or_404(Plan.objects.filter(listing=own_listing(request, public_id)), public_id=plan_id)
        terms = replace(terms_of(plan), **checked(PriceIn, request.data))
        return Response(PlanOut(reprice_and_tell(plan=plan, terms=terms, at=timezone.now())).data)

    @extend_schema(summary="Sell a plan no more, or take an offer back", responses={200: PlanOut})
    def delete(self, request: Request, public_id: UUID, plan_id: UUID) -> Response:
        plan = get_object_or_404(Plan.objects.filter(listing=own_listing(request, public_id)), public_id=plan_id)
        return Response(PlanOut(retire_plan(plan=plan, at=timezone.now())).data)


class OfferListView(APIView):
    @extend_schema(summary="Offer a price to one person", request=OfferIn, responses={201: PlanOut})
    def post(self, request: Request, public_id: UUID) -> Response:
        fields = checked(OfferIn, request.data)
        email, until = fields.pop("email"), fields.pop("until")
        listing, terms = own_listing(request, public_id), PlanTerms(**fields)
        plan = make_offer(listing=listing, terms=terms, email=email, until=until, at=timezone.now())
        return Response(PlanOut(plan).data, status=201)


class PublicationView(APIView):
    @extend_schema(summary="Publish a listing", request=None, responses=ListingOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        publish_and_prepare(listing=own_listing(request, public_id), at=timezone.now())
        return Response(ListingOut(own_listing(request, public_id)).data)


class ListingWithdrawalView(APIView):
    @extend_schema(summary="Withdraw a listing for good", request=None, responses=ListingOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        withdraw_listing_with_refunds(listing=own_listing(request, public_id), at=timezone.now())
        return Response(ListingOut(own_listing(request, public_id)).data)
