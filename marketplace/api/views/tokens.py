from datetime import timedelta
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.access.models import ROTATION_GRACE, AccessToken
from marketplace.access.services import (
    delegable_token,
    delegation_key,
    issue_client,
    issue_token,
    revoke_token,
    rotate_token,
)
from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.tokens import (
    DelegableOut,
    NarrowingIn,
    NewClientOut,
    NewTokenOut,
    TokenOut,
    narrowing_of,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.api.views.purchases import bought_by
from marketplace.delivery.sharing.profile import client_profile, share_profile


def token_response(request: Request, token: AccessToken, text: str) -> Response:
    endpoint = request.build_absolute_uri("/delta-sharing/")
    profile = share_profile(endpoint=endpoint, token=text, expires_at=token.expires_at)
    return Response(NewTokenOut(token, context={"text": text, "profile": profile}).data, status=201)


class TokenListView(APIView):
    @extend_schema(summary="Tokens of a purchase", parameters=[CURSOR], responses=TokenOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        return paged(request, purchase.tokens.all(), TokenOut, ordering="-created_at")

    @extend_schema(
        summary="Make an access token", parameters=[IDEMPOTENCY_KEY], request=NarrowingIn, responses={201: NewTokenOut}
    )
    @idempotent(secrets=["token", "profile"])
    def post(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        name, narrowing = narrowing_of(checked(NarrowingIn, request.data))
        made = issue_token(purchase=purchase, at=timezone.now(), name=name, narrowing=narrowing)
        return token_response(request, *made)


class ClientView(APIView):
    @extend_schema(
        summary="Make the purchase's OAuth client, which fetches short-lived tokens at /oauth/token",
        parameters=[IDEMPOTENCY_KEY],
        request=NarrowingIn,
        responses={201: NewClientOut},
    )
    @idempotent(secrets=["client_secret", "profile"])
    def post(self, request: Request, public_id: UUID) -> Response:
        purchase = get_object_or_404(bought_by(person_of(request)), public_id=public_id)
        name, narrowing = narrowing_of(checked(NarrowingIn, request.data))
        token, made = issue_client(purchase=purchase, at=timezone.now(), name=name, narrowing=narrowing)
        profile = client_profile(
            endpoint=request.build_absolute_uri("/delta-sharing/"),
            token_endpoint=request.build_absolute_uri("/oauth/token"),
            client_id=made.client_id,
            secret=made.secret,
        )
        return Response(NewClientOut(token, context={"made": made, "profile": profile}).data, status=201)


def own_token(request: Request, public_id: UUID) -> AccessToken:
    return get_object_or_404(AccessToken.objects.filter(purchase__buyer=person_of(request)), public_id=public_id)


class TokenRotationView(APIView):
    @extend_schema(
        summary=f"Replace a token; the old one works {ROTATION_GRACE // timedelta(minutes=1)} minutes more",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: NewTokenOut},
    )
    @idempotent(secrets=["token", "profile"])
    def post(self, request: Request, public_id: UUID) -> Response:
        return token_response(request, *rotate_token(token=own_token(request, public_id), at=timezone.now()))


class TokenRevocationView(APIView):
    @extend_schema(summary="Revoke a token for good", request=None, responses=TokenOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        return Response(TokenOut(revoke_token(token=own_token(request, public_id), at=timezone.now())).data)


class TokenDelegationView(APIView):
    @extend_schema(
        summary="Get a token in the form that is narrowed and passed on without us",
        request=None,
        responses=DelegableOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        text = delegable_token(token=own_token(request, public_id), at=timezone.now())
        answer = Response(DelegableOut({"token": text, "public_key": delegation_key()}).data)
        answer["Cache-Control"] = "no-store"
        return answer
