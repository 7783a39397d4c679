from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.idempotency import idempotent
from marketplace.api.serializers.notices import (
    NewWebhookOut,
    NoticeOut,
    NoticesReadOut,
    WebhookDeliveryOut,
    WebhookIn,
    WebhookOut,
)
from marketplace.api.views.parts import CURSOR, IDEMPOTENCY_KEY, checked, paged, person_of
from marketplace.notices.models import Notice, WebhookDelivery, WebhookEndpoint
from marketplace.notices.services import (
    add_webhook,
    change_webhook,
    delete_webhook,
    enable_webhook,
    mark_all_read,
    mark_read,
    replay_delivery,
    rotate_webhook_secret,
    send_test_webhook,
)

UNREAD = OpenApiParameter("unread", OpenApiTypes.BOOL, description="true: only what was not read yet.")


def own_webhook(request: Request, public_id: UUID) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint.objects.filter(user=person_of(request)), public_id=public_id)


class NoticeListView(APIView):
    @extend_schema(summary="My inbox", parameters=[CURSOR, UNREAD], responses=NoticeOut(many=True))
    def get(self, request: Request) -> Response:
        notices = Notice.objects.for_person(person_of(request))
        if request.query_params.get("unread") == "true":
            notices = notices.unread()
        return paged(request, notices, NoticeOut, ordering="-at")


class InboxReadingView(APIView):
    @extend_schema(
        operation_id="inbox_reading_create",
        summary="Mark my whole inbox as read",
        request=None,
        responses=NoticesReadOut,
    )
    def post(self, request: Request) -> Response:
        count = mark_all_read(user=person_of(request), at=timezone.now())
        return Response(NoticesReadOut({"read_count": count}).data)


class NoticeReadingView(APIView):
    @extend_schema(summary="Mark a notice as read", request=None, responses=NoticeOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        notice = get_object_or_404(Notice.objects.for_person(person_of(request)), public_id=public_id)
        mark_read(notice=notice, at=timezone.now())
        notice.refresh_from_db()
        return Response(NoticeOut(notice).data)


class WebhookListView(APIView):
    @extend_schema(summary="My webhooks", parameters=[CURSOR], responses=WebhookOut(many=True))
    def get(self, request: Request) -> Response:
        endpoints = WebhookEndpoint.objects.filter(user=person_of(request))
        return paged(request, endpoints, WebhookOut, ordering="-created_at")

    @extend_schema(
        summary="Have a program told", parameters=[IDEMPOTENCY_KEY], request=WebhookIn, responses={201: NewWebhookOut}
    )
    @idempotent(secrets=["secret"])
    def post(self, request: Request) -> Response:
        wanted = checked(WebhookIn, request.data)
        endpoint, secret = add_webhook(user=person_of(request), at=timezone.now(), **wanted)
        return Response(NewWebhookOut(endpoint, context={"secret": secret}).data, status=201)


class WebhookView(APIView):
    @extend_schema(summary="One of my webhooks", responses=WebhookOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(WebhookOut(own_webhook(request, public_id)).data)

    @extend_schema(summary="Change a webhook", request=WebhookIn, responses=WebhookOut)
    def put(self, request: Request, public_id: UUID) -> Response:
        endpoint = own_webhook(request, public_id)
        return Response(WebhookOut(change_webhook(endpoint=endpoint, **checked(WebhookIn, request.data))).data)

    @extend_schema(summary="Delete a webhook and what was sent to it", responses={204: None})
    def delete(self, request: Request, public_id: UUID) -> Response:
        delete_webhook(endpoint=own_webhook(request, public_id))
        return Response(status=204)


class WebhookSecretView(APIView):
    @extend_schema(
        summary="Replace a webhook's secret; the old one signs as well for 24 hours",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: NewWebhookOut},
    )
    @idempotent(secrets=["secret"])
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint, secret = rotate_webhook_secret(endpoint=own_webhook(request, public_id), at=timezone.now())
        return Response(NewWebhookOut(endpoint, context={"secret": secret}).data, status=201)


class WebhookEnablingView(APIView):
    @extend_schema(summary="Switch on a webhook that was switched off", request=None, responses=WebhookOut)
    def post(self, request: Request, public_id: UUID) -> Response:
        return Response(WebhookOut(enable_webhook(endpoint=own_webhook(request, public_id))).data)


class WebhookTestView(APIView):
    @extend_schema(
        summary="Send a test to a webhook",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: WebhookDeliveryOut},
    )
    @idempotent()
    def post(self, request: Request, public_id: UUID) -> Response:
        delivery = send_test_webhook(endpoint=own_webhook(request, public_id), at=timezone.now())
        return Response(WebhookDeliveryOut(delivery).data, status=201)


class WebhookDeliveryListView(APIView):
    @extend_schema(summary="What a webhook was sent", parameters=[CURSOR], responses=WebhookDeliveryOut(many=True))
    def get(self, request: Request, public_id: UUID) -> Response:
        deliveries = own_webhook(request, public_id).deliveries.select_related("notice")
        return paged(request, deliveries, WebhookDeliveryOut, ordering="-created_at")


class WebhookReplayView(APIView):
    @extend_schema(
        summary="Send again what was sent before, under the same webhook-id",
        request=None,
        responses=WebhookDeliveryOut,
    )
    def post(self, request: Request, public_id: UUID, delivery_id: UUID) -> Response:
        sent = WebhookDelivery.objects.select_related("endpoint__user", "notice")
        own = sent.filter(endpoint__user=person_of(request), endpoint__public_id=public_id)
        delivery = get_object_or_404(own, public_id=delivery_id)
        return Response(WebhookDeliveryOut(replay_delivery(delivery=delivery, at=timezone.now())).data)
