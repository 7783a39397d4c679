from typing import Any

from rest_framework import serializers

from marketplace.notices.kinds import LABELS, NoticeKind
from marketplace.notices.models import Notice, WebhookDelivery, WebhookEndpoint

KINDS = [(kind.value, LABELS[kind]) for kind in NoticeKind]


class NoticeOut(serializers.Serializer[Notice]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    facts = serializers.JSONField(help_text="As in the webhook of this kind.")
    at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticesReadOut(serializers.Serializer[Any]):
    read_count = serializers.IntegerField()


class WebhookIn(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=500)
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=KINDS), min_length=1, max_length=len(KINDS))


class WebhookOut(serializers.Serializer[WebhookEndpoint]):
    id = serializers.UUIDField(source="public_id")
    url = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_reason = serializers.CharField(help_text="gone, failing, or empty.")


class NewWebhookOut(WebhookOut):
    secret = serializers.SerializerMethodField(help_text="Shown once. Null in the answer to a repeated request.")

    def get_secret(self, endpoint: WebhookEndpoint) -> str:
        return str(self.context["secret"])


class WebhookDeliveryOut(serializers.Serializer[WebhookDelivery]):
    id = serializers.UUIDField(source="public_id")
    notice = serializers.SerializerMethodField(help_text="Null of a test.")
    created_at = serializers.DateTimeField()
    state = serializers.CharField()
    attempt_count = serializers.IntegerField()
    due_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried next.")
    delivered_at = serializers.DateTimeField(allow_null=True)

    def get_notice(self, delivery: WebhookDelivery) -> str | None:
        return str(delivery.notice.public_id) if delivery.notice else None
